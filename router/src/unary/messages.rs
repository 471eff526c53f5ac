//! `MessageService`.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use hansard_domain::{Action, Content, RoomId, limits::MAX_PAGE_BYTES};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::{ReadHistory, ReadUnread, UnreadView};
use hansard_proto::convert::bytes;
use hansard_proto::v1;

use super::Cx;
use super::page::{self, Place};
use crate::directory::Target;
use crate::proposal::Proposal;
use crate::refuse::{Fault, field, wrong_answer};
use crate::{convert, fields, proposals, reason};

/// Shards that are asked at once.
const AT_ONCE: usize = 16;

pub(super) async fn send(cx: &Cx<'_>, asked: v1::SendMessageRequest) -> Result<v1::SendMessageResponse, Fault> {
    let proposal = proposals::send(&asked.request_id, &asked.room, &asked.text)?;
    Ok(v1::SendMessageResponse { commit: cx.commit(proposal).await? })
}

pub(super) async fn edit(cx: &Cx<'_>, asked: v1::EditMessageRequest) -> Result<v1::EditMessageResponse, Fault> {
    let (request, room) = (fields::request(&asked.request_id)?, fields::room(&asked.room)?);
    let target = fields::seq("target_seq", asked.target_seq)?;
    let content = Content::text(fields::text(&asked.text)?).encode();
    let commit = cx.commit(Proposal { request, room, action: Action::EditMessage { room, target }, content }).await?;
    Ok(v1::EditMessageResponse { commit })
}

pub(super) async fn redact(cx: &Cx<'_>, asked: v1::RedactMessageRequest) -> Result<v1::RedactMessageResponse, Fault> {
    let (request, room) = (fields::request(&asked.request_id)?, fields::room(&asked.room)?);
    let target = fields::seq("target_seq", asked.target_seq)?;
    let content = proposals::because(&asked.reason)?;
    let commit = cx.commit(Proposal { request, room, action: Action::RedactMessage { room, target }, content }).await?;
    Ok(v1::RedactMessageResponse { commit })
}

pub(super) async fn list_history(cx: &Cx<'_>, asked: v1::ListHistoryRequest) -> Result<v1::ListHistoryResponse, Fault> {
    let room = fields::room(&asked.room)?;
    let limit = fields::page_size(asked.page_size)?;
    if asked.before_seq != 0 && asked.after_seq != 0 {
        return Err(field(reason::BAD_PAGE, "before_seq", "give `after_seq` or `before_seq`, not both"));
    }
    let max_staleness_ms = fields::max_staleness(asked.max_staleness)?;
    let target = Target::Room(room);
    let newest = ReadHistory {
        room: bytes(room),
        after_seq: asked.after_seq,
        before_seq: asked.before_seq,
        limit,
        limit_bytes: MAX_PAGE_BYTES as u32,
        from_now: false,
        max_staleness_ms: 0,
    };
    let near = match max_staleness_ms {
        0 => None,
        _ => {
            let call = Call::ReadHistory(ReadHistory { max_staleness_ms, ..newest.clone() });
            cx.edge.upstream.ask_near(cx.who, target, call).await
        }
    };
    let answer = match near {
        Some(answer) => answer,
        None => cx.ask(target, Call::ReadHistory(newest)).await?,
    };
    let Outcome::History(page) = answer else { return Err(wrong_answer()) };
    Ok(v1::ListHistoryResponse {
        events: page.entries.iter().map(|entry| convert::event(room, entry)).collect(),
        gaps: page.gaps.iter().map(|gap| convert::gap(&asked.room, gap)).collect(),
        from_seq: page.from_seq,
        to_seq: page.to_seq,
        head_seq: page.head_seq,
        staleness: (max_staleness_ms > 0).then(|| convert::milliseconds(page.staleness_ms)),
    })
}

pub(super) async fn mark_read(cx: &Cx<'_>, asked: v1::MarkReadRequest) -> Result<v1::MarkReadResponse, Fault> {
    let proposal = proposals::mark_read(&asked.request_id, &asked.room, asked.seq)?;
    let room = proposal.room;
    let committed = cx.edge.upstream.propose(cx.who, proposal).await.map_err(Fault::There)?;
    cx.edge.read(cx.session, cx.who.person, room, committed.seq);
    Ok(v1::MarkReadResponse { seq: committed.seq })
}

pub(super) async fn list_unread(cx: &Cx<'_>, asked: v1::ListUnreadRequest) -> Result<v1::ListUnreadResponse, Fault> {
    let limit = fields::page_size(asked.page_size)?;
    if !asked.rooms.is_empty() {
        let unread = unread_of(cx, fields::rooms(&asked.rooms)?).await?;
        return Ok(v1::ListUnreadResponse { unread, next_page_token: String::new() });
    }
    let start = Place::read(&asked.page_token)?;
    let ask = |place: Place| async move {
        let call = ReadUnread { after: place.after_bytes(), limit, rooms: vec![] };
        read_unread(cx, Target::Ordinal(place.shard), call).await
    };
    let id = |unread: &UnreadView| convert::room(&unread.room).unwrap_or_default();
    let (unread, next_page_token) = page::collect(start, cx.edge.directory.shards(), limit as usize, ask, id).await?;
    Ok(v1::ListUnreadResponse { unread: unread.iter().map(shown).collect(), next_page_token })
}

/// Counts of these rooms, in this order; each shard is asked once.
async fn unread_of(cx: &Cx<'_>, rooms: Vec<RoomId>) -> Result<Vec<v1::Unread>, Fault> {
    let mut by_shard: HashMap<_, Vec<RoomId>> = HashMap::new();
    for room in &rooms {
        let shard = cx.edge.directory.route(Target::Room(*room)).map(|route| route.shard);
        by_shard.entry(shard).or_default().push(*room);
    }
    let calls = by_shard.into_values().map(|rooms| async move {
        let call = ReadUnread { rooms: rooms.iter().map(|room| bytes(*room)).collect(), ..ReadUnread::default() };
        read_unread(cx, Target::Room(rooms[0]), call).await
    });
    let answers: Vec<_> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let counts: HashMap<RoomId, UnreadView> = answers
        .into_iter()
        .flat_map(|(unread, _)| unread)
        .filter_map(|unread| Some((convert::room(&unread.room)?, unread)))
        .collect();
    Ok(rooms.iter().filter_map(|room| counts.get(room)).map(shown).collect())
}

async fn read_unread(cx: &Cx<'_>, target: Target, call: ReadUnread) -> Result<(Vec<UnreadView>, bool), Fault> {
    match cx.ask(target, Call::ReadUnread(call)).await? {
        Outcome::Unread(page) => Ok((page.unread, page.more)),
        _ => Err(wrong_answer()),
    }
}

fn shown(unread: &UnreadView) -> v1::Unread {
    v1::Unread {
        room: convert::room_text(&unread.room),
        read_seq: unread.read_seq,
        head_seq: unread.head_seq,
        messages: unread.messages,
    }
}
