//! One call: who asks, where, what; then the shard does it.

use std::{sync::Arc, time::Duration};

use hansard_domain::{
    PersonId, Refusal, RequestId, RoomId, ShardId,
    limits::{DEFAULT_PAGE, MAX_PAGE, MAX_PAGE_BYTES, MAX_STALENESS_MS},
    meta::MetaView,
    read::{self, HistoryRequest, Listing, RoomFilter},
};
use hansard_proto::{
    cluster::v1::{self as wire, node_call::Call, node_reply::Outcome},
    convert::{self, action_of, id_of_bytes, optional_id_of_bytes},
    reason,
    rpc::Status,
    status,
};
use hansard_storage::{ShardRows, StoreError};
use tonic::Code;

use super::{nearby, operate, people, refused, reply, status_view, views};
use crate::{
    shard::{ProposeError, ProposeRequest, RefusalReport, ShardHandle},
    state::Node,
};

/// Who asks, checked against meta's epochs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Principal {
    pub(super) person: PersonId,
    pub(super) operator: bool,
}

/// The call's span, under the router's.
pub(super) fn span(call: &wire::NodeCall) -> tracing::Span {
    let span = tracing::debug_span!("call", id = call.id);
    if !call.traceparent.is_empty() {
        hansard_runtime::telemetry::continue_trace(&span, &call.traceparent);
    }
    span
}

/// What calls that came together are judged by: looked up once for all of them.
pub(super) struct Desk {
    node: Arc<Node>,
    view: Option<Arc<MetaView>>,
    shards: Vec<ShardHandle>,
}

impl Desk {
    /// By what is known now.
    pub(super) fn new(node: &Arc<Node>) -> Desk {
        Desk { node: node.clone(), view: node.view(), shards: Vec::new() }
    }

    /// The proposal that a call is, checked as far as the shard does not do it, and its shard.
    pub(super) fn proposal(&mut self, call: &wire::NodeCall) -> Result<(&ShardHandle, ProposeRequest), Status> {
        let Some(Call::Propose(wanted)) = &call.call else {
            return Err(crate::error::invalid("the call is no proposal"));
        };
        let view = self.view.as_ref().ok_or_else(|| reply::not_leader(None))?;
        let principal = call.principal.as_ref().ok_or_else(nobody)?;
        let principal = check(principal, view)?;
        let id: ShardId = id_of_bytes("shard", &call.shard)?;
        check_epoch(view, id, call.epoch)?;
        let at = match self.shards.iter().position(|shard| shard.id() == id) {
            Some(at) => at,
            None => {
                self.shards.push(self.node.host.get(id).ok_or_else(|| reply::not_leader(None))?);
                self.shards.len() - 1
            }
        };
        let action = action_of(wanted)?;
        let room = action.room().unwrap_or_default();
        if view.shard_of(room).map(|place| place.shard) != Some(id) {
            return Err(reply::stale_epoch(0));
        }
        let request = id_of_bytes("request_id", &wanted.request_id)?;
        let request = ProposeRequest { request, actor: principal.person, action, content: wanted.content.clone() };
        Ok((&self.shards[at], request))
    }
}

/// The answer to a proposal.
pub(super) fn proposed(node: &Node, outcome: Result<hansard_domain::Outcome, ProposeError>) -> Result<Outcome, Status> {
    let proposed = convert::proposed(outcome.map_err(reply::proposing)?)?;
    node.metrics.committed();
    Ok(Outcome::Proposed(proposed))
}

/// Does what is asked; proposals are not asked for here.
pub(super) async fn answer(node: &Arc<Node>, call: wire::NodeCall) -> Result<Outcome, Status> {
    let view = node.view().ok_or_else(|| reply::not_leader(None))?;
    let principal = call.principal.as_ref().map(|principal| check(principal, &view)).transpose()?;
    let asked = call.call.as_ref().ok_or_else(|| crate::error::invalid("the call is empty"))?;
    match asked {
        Call::ResolvePerson(wanted) => return people::resolve(node, wanted).await.map(Outcome::Person),
        _ if principal.is_none() => return Err(nobody()),
        Call::ReadStatus(wanted) => return status_view::status(node, wanted).await.map(Outcome::StatusView),
        Call::ReadPeople(wanted) => return people::read(node, wanted).await.map(Outcome::People),
        Call::ScanPeople(wanted) => return people::scan(node, wanted).await.map(Outcome::People),
        _ => {}
    }
    let principal = principal.expect("a call without was refused");
    if let Call::Operate(command) = asked {
        return operate::operate(node, principal, command).await.map(Outcome::Done);
    }
    let shard = addressed(node, &view, &call)?;
    in_shard(node, &shard, principal, asked).await
}

/// The shard that a call is for, if it is here.
fn addressed(node: &Node, view: &MetaView, call: &wire::NodeCall) -> Result<ShardHandle, Status> {
    let shard: ShardId = id_of_bytes("shard", &call.shard)?;
    check_epoch(view, shard, call.epoch)?;
    node.host.get(shard).ok_or_else(|| reply::not_leader(None))
}

/// Refuses a call of a router whose placement of the shard is older than ours.
fn check_epoch(view: &MetaView, shard: ShardId, known: u64) -> Result<(), Status> {
    let epoch = view.place(shard).map_or(0, |place| place.epoch);
    if known < epoch { Err(reply::stale_epoch(epoch)) } else { Ok(()) }
}

fn nobody() -> Status {
    crate::error::invalid("the call names no principal")
}

fn check(principal: &wire::Principal, view: &MetaView) -> Result<Principal, Status> {
    let person: PersonId = id_of_bytes("person", &principal.person)?;
    if person == PersonId::SYSTEM {
        return Err(crate::error::invalid("the system is nobody's principal"));
    }
    if principal.epoch < view.epoch_of(person).epoch {
        let why = "the person's sessions were revoked after this one was admitted";
        return Err(status::new(Code::Unauthenticated, reason::PERSON_EPOCH_STALE, why));
    }
    Ok(Principal { person, operator: principal.operator })
}

async fn in_shard(node: &Arc<Node>, shard: &ShardHandle, principal: Principal, call: &Call) -> Result<Outcome, Status> {
    match call {
        Call::Claim(wanted) => {
            let request = id_of_bytes("request_id", &wanted.request_id)?;
            let method =
                u16::try_from(wanted.method).map_err(|_| crate::error::invalid("method is no number of one"))?;
            let action = hansard_domain::Action::Claim { method };
            let wanted = ProposeRequest { request, actor: principal.person, action, content: wanted.content.clone() };
            proposed(node, shard.submit(wanted).await)
        }
        Call::ReportRefusals(report) => report_refusals(node, shard, principal, report).await,
        Call::ReadHistory(wanted) => history(node, shard, principal, wanted).await.map(Outcome::History),
        Call::ReadRoom(wanted) => {
            let room: RoomId = id_of_bytes("room", &wanted.room)?;
            read(shard, move |rows| read::room_view(rows, principal.person, room))
                .await
                .map(|view| Outcome::Room(views::room(view)))
        }
        Call::ScanRooms(wanted) => rooms(shard, principal, wanted).await.map(Outcome::Rooms),
        Call::ScanMembers(wanted) => members(shard, principal, wanted).await.map(Outcome::Members),
        Call::ReadUnread(wanted) => unread(shard, principal, wanted).await.map(Outcome::Unread),
        _ => Err(crate::error::invalid("this call is not for a shard of rooms")),
    }
}

async fn report_refusals(
    node: &Node,
    shard: &ShardHandle,
    principal: Principal,
    report: &wire::ReportRefusals,
) -> Result<Outcome, Status> {
    let request = optional_id_of_bytes("request_id", &report.request_id)?;
    let request = request.unwrap_or_else(|| RequestId::from_bytes(node.draw()));
    let counted = RefusalReport {
        person: principal.person,
        room: None,
        reason: refused::of_reason(&report.reason),
        count: report.count,
        first_us: report.first_us,
        last_us: report.last_us,
    };
    shard.report_refusals(request, counted).await.map_err(reply::proposing)?;
    Ok(Outcome::Done(wire::Done {}))
}

/// A linearizable read whose rules may refuse.
async fn read<T: Send + 'static>(
    shard: &ShardHandle,
    read: impl FnOnce(&ShardRows) -> Result<Result<T, Refusal>, StoreError> + Send + 'static,
) -> Result<T, Status> {
    shard.read(read).await.map_err(reply::reading)?.map_err(status::from_refusal)
}

pub(super) fn limit(asked: u32) -> usize {
    match asked as usize {
        0 => DEFAULT_PAGE,
        asked => asked.min(MAX_PAGE),
    }
}

async fn history(
    node: &Arc<Node>,
    shard: &ShardHandle,
    principal: Principal,
    wanted: &wire::ReadHistory,
) -> Result<wire::HistoryPage, Status> {
    let room: RoomId = id_of_bytes("room", &wanted.room)?;
    let request = HistoryRequest {
        after: wanted.after_seq,
        before: wanted.before_seq,
        limit: limit(wanted.limit),
        limit_bytes: if wanted.limit_bytes == 0 { MAX_PAGE_BYTES } else { wanted.limit_bytes as usize },
        from_now: wanted.from_now,
    };
    let max = Duration::from_millis(wanted.max_staleness_ms.min(MAX_STALENESS_MS).into());
    let look = move |rows: &ShardRows| read::history(rows, principal.person, room, &request);
    let (page, age) = match max.is_zero() {
        true => (read(shard, look).await?, Duration::ZERO),
        false => nearby::read(node, shard, max, look).await?,
    };
    Ok(wire::HistoryPage {
        entries: page.entries.iter().map(Into::into).collect(),
        gaps: page.gaps.into_iter().map(Into::into).collect(),
        from_seq: page.from,
        to_seq: page.to,
        head_seq: page.head,
        ended: page.ended,
        // Rounded up: it is a bound.
        staleness_ms: u32::try_from(age.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX),
    })
}

async fn rooms(shard: &ShardHandle, principal: Principal, wanted: &wire::ScanRooms) -> Result<wire::RoomPage, Status> {
    let after = optional_id_of_bytes("after", &wanted.after)?;
    let filter = if wanted.public { RoomFilter::Public } else { RoomFilter::Joined };
    let limit = limit(wanted.limit);
    let listing =
        read(shard, move |rows| read::list_rooms(rows, principal.person, filter, after, limit).map(Ok)).await?;
    Ok(wire::RoomPage { rooms: listing.items.into_iter().map(views::room).collect(), more: listing.more })
}

async fn members(
    shard: &ShardHandle,
    principal: Principal,
    wanted: &wire::ScanMembers,
) -> Result<wire::MemberPage, Status> {
    let room: RoomId = id_of_bytes("room", &wanted.room)?;
    let mut after = optional_id_of_bytes("after", &wanted.after)?;
    let (limit, mut members) = (limit(wanted.limit), Vec::new());
    // A read passes over a bounded number of people who have left; the next one goes on after them, when its turn comes.
    loop {
        let left = limit - members.len();
        let page = read(shard, move |rows| read::members(rows, principal.person, room, after, left)).await?;
        members.extend(page.items.into_iter().map(views::member));
        let more = page.next.is_some();
        if !more || members.len() == limit {
            return Ok(wire::MemberPage { members, more });
        }
        after = page.next;
    }
}

async fn unread(
    shard: &ShardHandle,
    principal: Principal,
    wanted: &wire::ReadUnread,
) -> Result<wire::UnreadPage, Status> {
    let rooms: Vec<RoomId> = wanted.rooms.iter().map(|room| id_of_bytes("rooms", room)).collect::<Result<_, _>>()?;
    if rooms.len() > MAX_PAGE {
        return Err(crate::error::invalid(format!("at most {MAX_PAGE} rooms can be asked for at once")));
    }
    let after = optional_id_of_bytes("after", &wanted.after)?;
    let limit = limit(wanted.limit);
    let listing = read(shard, move |rows| {
        if rooms.is_empty() {
            return read::unread_all(rows, principal.person, after, limit).map(Ok);
        }
        let items = read::unread(rows, principal.person, &rooms)?;
        Ok(Ok(Listing { items, more: false }))
    })
    .await?;
    Ok(wire::UnreadPage { unread: listing.items.into_iter().map(views::unread).collect(), more: listing.more })
}
