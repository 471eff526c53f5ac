//! The hot paths. Inputs are fixed; none of them depends on a clock or on chance.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use hansard_domain::tree::{Frontier, leaf_hash};
use hansard_domain::{
    Action, Batch, Command, Content, MemRows, PersonId, RequestId, RoomId, Rows, Salt, Sealed, Shard, ShardId, Table,
    Visibility, decode_events, fuzzing,
};
use hansard_proto::cluster::v1 as cluster;
use hansard_proto::{hot, v1};
use hansard_storage::LogEntry;
use prost::Message;

use crate::workload::{Workload, counted};

/// Commands in a batch, and rooms that they go to in turn.
const COMMANDS: u64 = 64;
const ROOMS: u64 = 16;
/// Repetitions of what takes little.
const TIMES: u64 = 100;

pub(crate) const ALL: &[Workload] = &[
    Workload { name: "batch encode: a command", run: batch_encode },
    Workload { name: "batch decode: a command", run: batch_decode },
    Workload { name: "apply: a send, 64 to a batch", run: apply },
    Workload { name: "event block read: an entry", run: event_read },
    Workload { name: "event block read twice, written: an entry", run: event_block },
    Workload { name: "record block read, written: an entry", run: record_block },
    Workload { name: "request block read twice, written: an answer", run: request_block },
    Workload { name: "commitment: a text of 200 bytes", run: commitment },
    Workload { name: "leaf hash: 150 bytes", run: leaf },
    Workload { name: "tree: a leaf", run: tree_push },
    Workload { name: "tree: a root of 100,001 leaves", run: tree_root },
    Workload { name: "log entry framed: 64 sends", run: log_frame },
    Workload { name: "log entry read: 64 sends", run: log_read },
    Workload { name: "log record read, written: 64 sends", run: log_record },
    Workload { name: "client frame encode: a send", run: frame_encode },
    Workload { name: "client frame decode: a send", run: frame_decode },
    Workload { name: "client frame decode: a send in another form", run: other_frame_decode },
    Workload { name: "client frame encode: an ack", run: ack_encode },
    Workload { name: "client frame decode: an ack", run: ack_decode },
    Workload { name: "client frame encode: an event", run: event_encode },
    Workload { name: "link encode: a call, 32 to a message", run: calls_encode },
    Workload { name: "link decode: a call, 32 to a message", run: calls_decode },
    Workload { name: "link encode: a commit, 32 to a message", run: commits_encode },
    Workload { name: "link decode: a commit, 32 to a message", run: commits_decode },
    Workload { name: "link encode: an entry, 32 to a message", run: feed_encode },
    Workload { name: "link decode: an entry, 32 to a message", run: feed_decode },
    Workload { name: "consensus encode: an entry of 64 sends", run: append_encode },
    Workload { name: "consensus decode: an entry of 64 sends", run: append_decode },
];

fn id(n: u64) -> [u8; 16] {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

fn text() -> Content {
    Content::text("x".repeat(200))
}

fn command(n: u64, action: Action, content: &Content) -> Command {
    Command {
        request: RequestId::from_bytes(id(n)),
        actor: PersonId::from_bytes(id(n % ROOMS + 1)),
        stamp_us: n as i64,
        policy: 1,
        rule: 3,
        salt: Salt([n as u8; 32]),
        content: Sealed::clear(content.encode()),
        action,
    }
}

fn room(n: u64) -> RoomId {
    RoomId::from_bytes(id(n % ROOMS + 1))
}

/// The sends of a batch, from the first batch on.
fn sends(batch: u64) -> Batch {
    let text = text();
    let send = |n| command(batch * COMMANDS + n, Action::SendMessage { room: room(n) }, &text);
    Batch { commands: (0..COMMANDS).map(send).collect() }
}

/// A shard with rooms, to which so many batches of sends were applied.
fn shard(batches: u64) -> (Shard, MemRows) {
    let mut rows = MemRows::default();
    let Ok(mut shard) = Shard::load(ShardId::from_bytes([9; 16]), &rows);
    let name = Content { name: Some("room".into()), ..Content::default() };
    let create =
        |n| command(n, Action::CreateRoom { room: room(n), visibility: Visibility::Private, peer: None }, &name);
    let Ok(applied) = shard.apply(&rows, &[&Batch { commands: (0..ROOMS).map(create).collect() }]);
    rows.commit(&applied.changes);
    for batch in 1..=batches {
        let Ok(applied) = shard.apply(&rows, &[&sends(batch)]);
        rows.commit(&applied.changes);
    }
    (shard, rows)
}

/// Does it once uncounted, so that nothing is the first of its kind, and then so many times.
fn repeat<T>(times: u64, mut work: impl FnMut() -> T) {
    black_box(work());
    counted(&mut || {
        for _ in 0..times {
            black_box(work());
        }
    });
}

fn batch_encode() -> u64 {
    let batch = sends(1);
    repeat(TIMES, || black_box(&batch).encode());
    TIMES * COMMANDS
}

fn batch_decode() -> u64 {
    let payload = sends(1).encode();
    repeat(TIMES, || Batch::decode(black_box(&payload)).expect("it was encoded"));
    TIMES * COMMANDS
}

fn apply() -> u64 {
    const WARM: u64 = 8;
    const BATCHES: u64 = 32;
    let (mut shard, mut rows) = shard(WARM);
    for batch in WARM + 1..=WARM + BATCHES {
        let batch = sends(batch);
        let mut applied = None;
        counted(&mut || applied = Some(shard.apply(&rows, &[black_box(&batch)])));
        let Some(Ok(applied)) = applied else { unreachable!("rows in memory do not fail") };
        rows.commit(&applied.changes);
    }
    BATCHES * COMMANDS
}

/// The rows of a table after some batches, and how many operations are in each.
fn blocks(table: Table, operations: u64) -> (Vec<(Vec<u8>, Bytes)>, u64) {
    const BATCHES: u64 = 8;
    let (_, rows) = shard(BATCHES);
    let mut found = Vec::new();
    let Ok(()) = rows.scan(table, &[], &[0xff; 64], false, &mut |key, value| {
        found.push((key.to_vec(), Bytes::copy_from_slice(value)));
        true
    });
    assert!(!found.is_empty(), "{table:?} has rows");
    (found, BATCHES * COMMANDS + operations)
}

fn event_read() -> u64 {
    let (rows, entries) = blocks(Table::Event, ROOMS);
    repeat(TIMES / 10, || {
        for (key, value) in &rows {
            let (_, last) = key.split_last_chunk().expect("a key ends with a seq");
            black_box(decode_events(u64::from_be_bytes(*last), value).expect("it was encoded"));
        }
    });
    TIMES / 10 * entries
}

fn again(table: Table, more: u64) -> u64 {
    let (rows, operations) = blocks(table, more);
    repeat(TIMES / 10, || {
        for (key, value) in &rows {
            black_box(fuzzing::row(table, key, value).expect("it was encoded"));
        }
    });
    TIMES / 10 * operations
}

fn event_block() -> u64 {
    again(Table::Event, ROOMS)
}

fn record_block() -> u64 {
    again(Table::Record, ROOMS)
}

fn request_block() -> u64 {
    again(Table::Dedup, ROOMS)
}

fn commitment() -> u64 {
    let content = text().encode();
    repeat(TIMES, || Salt([7; 32]).commit(black_box(&content)));
    TIMES
}

fn leaf() -> u64 {
    let (header, commitment) = ([3; 118], [4; 32]);
    repeat(TIMES, || leaf_hash(&[black_box(&header), &commitment]));
    TIMES
}

fn frontier(leaves: u64) -> Frontier {
    let mut tree = Frontier::from_parts(0, Vec::new());
    (0..leaves).for_each(|n| tree.push([n as u8; 32]));
    tree
}

fn tree_push() -> u64 {
    const LEAVES: u64 = 1_024;
    let mut tree = frontier(LEAVES);
    repeat(1, || (0..LEAVES).for_each(|n| tree.push(black_box([n as u8; 32]))));
    LEAVES
}

fn tree_root() -> u64 {
    let tree = frontier(100_001);
    repeat(TIMES, || black_box(&tree).root());
    TIMES
}

fn log_frame() -> u64 {
    let payload = sends(1).encode();
    repeat(TIMES, || LogEntry::new(3, 7, black_box(&payload)).encoded());
    TIMES
}

fn log_read() -> u64 {
    let frame = LogEntry::new(3, 7, &sends(1).encode()).encoded();
    repeat(TIMES, || LogEntry::decode(black_box(&frame).clone()).expect("it was framed"));
    TIMES
}

fn log_record() -> u64 {
    let entry = LogEntry::new(3, 7, &sends(1).encode());
    let record = hansard_storage::fuzzing::entry_record(&entry);
    repeat(TIMES, || hansard_storage::fuzzing::log_record(black_box(&record)).expect("it was written"));
    TIMES
}

const ROOM: &str = "4f0c2a7d9be1463f8a55c0de00112233";

/// A send as the client library writes it.
fn send_frame() -> Vec<u8> {
    hot::send(&id(1), ROOM, &"x".repeat(200))
}

fn frame_encode() -> u64 {
    let (request, text) = (id(1), "x".repeat(200));
    repeat(TIMES, || hot::send(black_box(&request), ROOM, black_box(text.as_str())));
    TIMES
}

fn frame_decode() -> u64 {
    let frame = send_frame();
    repeat(TIMES, || hot::read_send(black_box(frame.as_slice())).expect("it was encoded"));
    TIMES
}

/// What a router reads by the generated code: a send whose ids are not in their canonical form.
fn other_frame_decode() -> u64 {
    let send = v1::Send {
        request_id: "0190A5B8C3D47E6F8091A2B3C4D5E6F7".into(),
        room: ROOM.to_uppercase(),
        text: "x".repeat(200),
    };
    let frame = v1::ConnectRequest { frame: Some(v1::connect_request::Frame::Send(send)) }.encode_to_vec();
    assert!(hot::read_send(&frame).is_none(), "it is of another form");
    repeat(TIMES, || v1::ConnectRequest::decode(black_box(frame.as_slice())).expect("it was encoded"));
    TIMES
}

const TIME_US: i64 = 1_790_000_000_123_456;

const SEQ: u64 = 123_456;

fn ack_encode() -> u64 {
    let (request, room) = (RequestId::from_bytes(id(1)), room(1));
    repeat(TIMES, || hot::ack(black_box(request), black_box(room), SEQ, TIME_US));
    TIMES
}

fn ack_decode() -> u64 {
    let frame = hot::ack(RequestId::from_bytes(id(1)), room(1), SEQ, TIME_US);
    repeat(TIMES, || hot::read_ack(black_box(frame.as_slice())).expect("it was encoded"));
    TIMES
}

fn event_encode() -> u64 {
    let event = v1::Event {
        room: ROOM.into(),
        seq: 123_456,
        kind: "message".into(),
        sender: "a1b2c3d4e5f60718293a4b5c6d7e8f90".into(),
        text: "x".repeat(200),
        ..v1::Event::default()
    };
    let frame = v1::ConnectResponse { frame: Some(v1::connect_response::Frame::Event(event)) };
    repeat(TIMES, || black_box(&frame).encode_to_vec());
    TIMES
}

/// Calls, or entries, of a message of a link.
const LINKED: u64 = 32;

/// Proposals as a router puts them into a message.
fn calls(content: &[u8]) -> BytesMut {
    let mut message = BytesMut::new();
    for n in 0..LINKED {
        let call = hot::ProposeCall {
            id: n,
            shard: ShardId::from_bytes([5; 16]),
            epoch: 3,
            person: PersonId::from_bytes([6; 16]),
            person_epoch: 1,
            operator: false,
            traceparent: "",
            deadline_ms: 5_000,
            room: RoomId::from_bytes([7; 16]),
            request: RequestId::from_bytes(id(n)),
            action: 4,
            target_seq: 0,
            content,
        };
        hot::put_call(&mut message, black_box(&call));
    }
    message
}

fn calls_encode() -> u64 {
    let content = text().encode();
    repeat(TIMES / 10, || calls(&content));
    TIMES / 10 * LINKED
}

fn calls_decode() -> u64 {
    let message = calls(&text().encode()).freeze();
    repeat(TIMES / 10, || cluster::LinkRequest::decode(black_box(&message).clone()).expect("it was encoded"));
    TIMES / 10 * LINKED
}

fn commits() -> cluster::LinkResponse {
    let committed = cluster::Committed {
        calls: (0..LINKED).collect(),
        seqs: (SEQ..SEQ + LINKED).collect(),
        times_us: (0..LINKED).map(|_| TIME_US).collect(),
    };
    cluster::LinkResponse { committed: Some(committed), ..cluster::LinkResponse::default() }
}

fn commits_encode() -> u64 {
    let message = commits();
    repeat(TIMES / 10, || black_box(&message).encode_to_vec());
    TIMES / 10 * LINKED
}

fn commits_decode() -> u64 {
    let message = Bytes::from(commits().encode_to_vec());
    repeat(TIMES / 10, || cluster::LinkResponse::decode(black_box(&message).clone()).expect("it was encoded"));
    TIMES / 10 * LINKED
}

fn feed() -> cluster::HistoryPage {
    let entry = |n| cluster::Entry {
        seq: n,
        time_us: 1_790_000_000_000_000,
        kind: 4,
        actor: vec![6; 16].into(),
        content: text().encode(),
        ..cluster::Entry::default()
    };
    let entries = (1..=LINKED).map(entry).collect();
    cluster::HistoryPage { entries, from_seq: 1, to_seq: LINKED, head_seq: 99, ..cluster::HistoryPage::default() }
}

fn feed_encode() -> u64 {
    let message = feed();
    repeat(TIMES / 10, || black_box(&message).encode_to_vec());
    TIMES / 10 * LINKED
}

fn feed_decode() -> u64 {
    let message = Bytes::from(feed().encode_to_vec());
    repeat(TIMES / 10, || cluster::HistoryPage::decode(black_box(&message).clone()).expect("it was encoded"));
    TIMES / 10 * LINKED
}

/// What a leader sends to a follower for an entry.
fn append() -> cluster::ConsensusRequest {
    let append = cluster::Append {
        vote: Some(cluster::Vote { term: 3, node: 1, committed: true }),
        previous: Some(cluster::LogId { term: 3, index: 6 }),
        committed: Some(cluster::LogId { term: 3, index: 5 }),
        entries: vec![LogEntry::new(3, 7, &sends(1).encode()).encoded()],
    };
    let call = Some(cluster::consensus_request::Call::Append(append));
    cluster::ConsensusRequest { id: 1, shard: vec![5; 16].into(), call }
}

fn append_encode() -> u64 {
    let message = append();
    repeat(TIMES, || black_box(&message).encode_to_vec());
    TIMES
}

fn append_decode() -> u64 {
    let message = Bytes::from(append().encode_to_vec());
    repeat(TIMES, || cluster::ConsensusRequest::decode(black_box(&message).clone()).expect("it was encoded"));
    TIMES
}
