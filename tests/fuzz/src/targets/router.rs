//! What a router makes of what clients and nodes say.

use std::path::Path;

use hansard_domain::RoomId;
use hansard_proto::cluster::v1 as wire;
use hansard_proto::v1::{self, connect_request::Frame as Asked, connect_response::Frame};
use hansard_proto::{any, json, pool};
use hansard_router::fuzzing::{Calls, Conversation, Deed, routes};
use prost::Message;

use super::client::protobuf;
use super::json::texts;
use crate::corpus::messages::samples;
use crate::law::{demand, refused};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 5] = [
    Target::new("router/session", sessions, |input| session(input, false)).allowed(256 << 10, 4_096),
    Target::new("router/session-json", json_sessions, |input| session(input, true))
        .shaped(Shape::Text(&["hello", "follow", "presence", "answerAt", "call", "send"]))
        .allowed(256 << 10, 8_192),
    protobuf("router/call", calls, call).allowed(64 << 10, 1_024),
    protobuf("router/directory", directories, directory).allowed(64 << 10, 1_024),
    protobuf("router/page", pages, page).allowed(64 << 10, 2_048),
];

/// What an open session may have under way.
const MAX_UNANSWERED: (usize, usize) = (256, 64);

const ROOM: &str = "0123456789abcdef0123456789abcdef";

fn hello() -> v1::ConnectRequest {
    let cursor = v1::Cursor { room: ROOM.to_owned(), after_seq: 3 };
    let hello = v1::Hello { token: "token".to_owned(), cursors: vec![cursor], agent: "fuzz".to_owned() };
    v1::ConnectRequest { frame: Some(Asked::Hello(hello)) }
}

/// Frames, each behind its length, u16: a hello and then each other kind of frame, alone and all of them.
fn sessions() -> Vec<Vec<u8>> {
    let frames = samples("hansard.v1.ConnectRequest");
    let framed = |frame: &[u8]| [&(frame.len() as u16).to_be_bytes()[..], frame].concat();
    let hello = framed(&hello().encode_to_vec());
    let mut all = hello.clone();
    let mut sessions = vec![hello.clone()];
    for frame in &frames[1..] {
        sessions.push([hello.clone(), framed(frame)].concat());
        all.extend(framed(frame));
    }
    sessions.push(all);
    sessions
}

/// Frames, a line each.
fn json_sessions() -> Vec<Vec<u8>> {
    let hello = json::encode(&hello()).expect("a hello has a JSON form").into_bytes();
    let others = texts("hansard.v1.ConnectRequest").into_iter().skip(1);
    others.map(|other| [hello.clone(), other].join(&b'\n')).collect()
}

/// A session does at most so much for each frame, answers with what can be written, and does nothing once it has ended.
fn session(input: &[u8], json: bool) -> Verdict {
    let mut conversation = Conversation::new(json);
    let (mut proposals, mut calls, mut ended, mut welcomed) = (0, 0, false, false);
    for frame in frames(input, json) {
        let deeds = conversation.say(frame);
        demand(!ended || deeds.is_empty(), || "it goes on after its end".to_owned())?;
        demand(deeds.len() <= 8 + frame.len() * 2, || format!("{} deeds for one frame", deeds.len()))?;
        for deed in deeds {
            match deed {
                Deed::Propose => proposals += 1,
                Deed::Call(_) => calls += 1,
                Deed::Page(_) => {}
                Deed::Tell(frame) => frame.map_or(Ok(()), |frame| writable(&conversation, frame))?,
                Deed::Answer(frame) => {
                    welcomed |= matches!(frame.frame, Some(Frame::Welcome(_)));
                    writable(&conversation, frame)?;
                }
                Deed::End(frame) => {
                    ended = true;
                    frame.map_or(Ok(()), |frame| writable(&conversation, frame))?;
                }
            }
        }
        let under_way = (proposals, calls);
        demand(under_way <= MAX_UNANSWERED && calls <= MAX_UNANSWERED.1, || format!("{under_way:?} are under way"))?;
    }
    Ok(if welcomed && !ended { Seen::Taken } else { Seen::Refused })
}

fn frames(input: &[u8], json: bool) -> Vec<&[u8]> {
    if json {
        return input.split(|byte| *byte == b'\n').collect();
    }
    let (mut frames, mut rest) = (vec![], input);
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let (frame, left) = after.split_at(usize::from(u16::from_be_bytes(*len)).min(after.len()));
        frames.push(frame);
        rest = left;
    }
    frames
}

/// A frame for clients has a JSON form, and what is written is read as a frame of its kind. (Not as the same bytes: the
/// order of a map's entries is nobody's.)
fn writable(conversation: &Conversation, frame: v1::ConnectResponse) -> Result<(), String> {
    json::encode(&frame).map_err(|error| format!("{frame:?} has no JSON form: {error}"))?;
    let written = conversation.written(frame.clone());
    let read = match std::str::from_utf8(&written).ok().map(json::decode::<v1::ConnectResponse>) {
        Some(Ok(read)) => Some(read),
        _ => v1::ConnectResponse::decode(&written[..]).ok(),
    };
    let kind = |frame: &v1::ConnectResponse| frame.frame.as_ref().map(std::mem::discriminant);
    demand(read.is_some_and(|read| kind(&read) == kind(&frame)), || format!("{frame:?} is written otherwise"))
}

/// Calls of every method, as they come in frames.
fn calls() -> Vec<Vec<u8>> {
    let services = ["RoomService", "MessageService", "PersonService", "ClusterService"];
    let services = services.map(|name| pool::pool().get_service_by_name(&format!("hansard.v1.{name}")).expect("ours"));
    let methods = services.iter().flat_map(|service| service.methods().map(|m| (service.full_name().to_owned(), m)));
    let calls = methods.flat_map(|(service, method)| {
        let path = format!("{service}/{}", method.name());
        let request = method.input().full_name().to_owned();
        samples(&request).into_iter().map(move |body| {
            let body = prost_types::Any { type_url: any::type_url(&request), value: body };
            v1::Call { id: 1, method: path.clone(), body: Some(body) }.encode_to_vec()
        })
    });
    calls.collect()
}

/// A call is refused with a reason, or waits for a node, of which there is none, or says that there is nothing.
fn call(input: &[u8]) -> Verdict {
    thread_local! {
        static ROUTER: Calls = Calls::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/jwks.json"));
    }
    let call = match v1::Call::decode(input) {
        Ok(call) => call,
        Err(error) => return refused(input, &error),
    };
    match ROUTER.with(|router| router.call(&call.method, call.body)) {
        None | Some(Ok(_)) => Ok(Seen::Taken),
        Some(Err(status)) => {
            let reason = hansard_proto::status::reason_of(&status);
            demand(reason.is_some(), || format!("{status:?} has no reason"))?;
            demand(json::encode(&status).is_ok(), || format!("{status:?} has no JSON form"))?;
            refused(input, &status.message)
        }
    }
}

fn directories() -> Vec<Vec<u8>> {
    let place = |shard: u8| wire::ShardPlace { shard: vec![shard; 16].into(), epoch: 1, voters: vec![1, 2] };
    let placement = wire::Placement {
        nodes: vec![],
        shards: vec![place(1), place(2)],
        slots: (0..4_096).map(|slot| slot % 2).collect(),
        moved: vec![],
    };
    let leader = wire::Leader { shard: vec![1; 16].into(), term: 3, node: 2 };
    let leaders = vec![leader];
    let whole =
        wire::Directory { revision: 1, fresh: true, placement: Some(placement), leaders, ..wire::Directory::default() };
    // Several messages of one link, as feeds are: by the repeated field of a `LinkResponse` they would be merged.
    samples("hansard.cluster.v1.Directory").into_iter().chain([whole.encode_to_vec()]).collect()
}

/// Rooms go to shards that the placement has, and merging the same news again changes nothing.
fn directory(input: &[u8]) -> Verdict {
    let message = match wire::Directory::decode(input) {
        Ok(message) => message,
        Err(error) => return refused(input, &error),
    };
    let rooms: Vec<RoomId> = [0, 0x10, 0x80, 0xff].map(|first| RoomId::from_bytes([first; 16])).to_vec();
    let once = routes(vec![message.clone()], &rooms);
    let places = message.placement.iter().flat_map(|placement| &placement.shards);
    let known: Vec<_> = places.map(|place| place.shard.clone()).collect();
    for (shard, _) in once.iter().flatten() {
        demand(known.iter().any(|known| known[..] == shard[..]), || format!("{shard:?} is no shard of the placement"))?;
    }
    let twice = routes(vec![message.clone(), message], &rooms);
    demand(once == twice, || format!("{once:?} becomes {twice:?}"))?;
    Ok(Seen::Taken)
}

fn pages() -> Vec<Vec<u8>> {
    let entry = |seq| wire::Entry { seq, kind: 2, content: b"\x01\x02hi".to_vec().into(), ..wire::Entry::default() };
    let gap = wire::SeqGap { from_seq: 6, to_seq: 8, reason: 1 };
    let entries = vec![entry(4), entry(5), entry(9)];
    let seqs = wire::HistoryPage { from_seq: 4, to_seq: 9, head_seq: 9, ..wire::HistoryPage::default() };
    let page = wire::HistoryPage { entries, gaps: vec![gap], ..seqs };
    samples("hansard.cluster.v1.HistoryPage").into_iter().chain([page.encode_to_vec()]).collect()
}

/// Whatever a node's page holds, a follower gets a run of seqs that begins right after its cursor.
fn page(input: &[u8]) -> Verdict {
    let page = match wire::HistoryPage::decode(input) {
        Ok(page) => page,
        Err(error) => return refused(input, &error),
    };
    let mut conversation = Conversation::new(false);
    conversation.say(&hello().encode_to_vec());
    let mut cursor = 3;
    for deed in conversation.page(&page) {
        let Deed::Answer(v1::ConnectResponse { frame: Some(frame) }) = deed else { continue };
        let (from, to) = match &frame {
            Frame::Event(event) => (event.seq, event.seq),
            Frame::Gap(gap) => (gap.from_seq, gap.to_seq),
            _ => continue,
        };
        demand(from == cursor + 1 && to >= from, || format!("{from} to {to} after {cursor}"))?;
        cursor = to;
    }
    Ok(Seen::Taken)
}
