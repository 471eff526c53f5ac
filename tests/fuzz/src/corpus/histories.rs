//! The histories of a small run in which all went well.

use hansard_checker::Writer;
use hansard_checker::format::{Client, Cluster, Follower, Kind, Node};
use hansard_checker::tree::{Tree, leaf};
use hansard_domain::{Content, Header, Kind as Happened, PersonId, RequestId, RoomId, Salt, ShardId};

use data_encoding::HEXLOWER;

const SHARD: ShardId = ShardId::from_bytes([0x51; 16]);
const ROOM: RoomId = RoomId::from_bytes([0x10; 16]);
const TEXTS: [&str; 3] = ["hello", "Grüße", "a third"];

/// The files of a run, one after the other: each begins with its title.
pub(crate) fn run() -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let create = |kind, name| Writer::create(directory.path(), kind, name).expect("a history");
    let (room, shard) = (ROOM.to_string(), SHARD.to_string());
    let mut client = create(Kind::Client, "client1");
    let mut follower = create(Kind::Follower, "follower1");
    let mut node = create(Kind::Node, "node1");
    let mut cluster = create(Kind::Cluster, "cluster");
    let mut tree = Tree::default();
    let mut entries = vec![];
    follower.line(&Follower::Start { room: &room, after: 0 }).expect("a line");
    for (seq, text) in (1..).zip(TEXTS) {
        let op = RequestId::from_bytes([seq as u8; 16]);
        let (header, salt, content) = entry(seq, op, text);
        tree.push(leaf(&header, &salt.commit(&content).0));
        entries.push([&header[..], &salt.0, &content].map(|bytes| HEXLOWER.encode(bytes)));
        let (op, at) = (op.to_string(), 10 * seq);
        client.line(&Client::Invoke { op: &op, room: &room, text: text.into(), at }).expect("a line");
        client.line(&Client::Ack { op: &op, seq, at: at + 1 }).expect("a line");
        follower.line(&Follower::Event { room: &room, seq, text: text.into() }).expect("a line");
    }
    follower.line(&Follower::End { room: &room, seq: TEXTS.len() as u64 }).expect("a line");
    let root = HEXLOWER.encode(&tree.root());
    node.line(&Node::Shard { id: &shard, size: entries.len() as u64, root: &root }).expect("a line");
    for [header, salt, content] in &entries {
        node.line(&Node::Entry { header, salt, content }).expect("a line");
    }
    node.line(&Node::End { shards: 1 }).expect("a line");
    cluster.line(&Cluster::Shard { id: &shard, voters: vec!["node1"], entries: entries.len() as u64 }).expect("a line");
    for history in [client, follower, node, cluster] {
        history.finish().expect("it is written");
    }
    let mut files: Vec<_> =
        std::fs::read_dir(&directory).expect("the directory").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().flat_map(|file| std::fs::read(file).expect("a history")).collect()
}

fn entry(seq: u64, op: RequestId, text: &str) -> (Vec<u8>, Salt, Vec<u8>) {
    let mut header = Header::new(SHARD, seq - 1, seq as i64, Happened::Message, PersonId::from_bytes([7; 16]), op);
    (header.room, header.seq) = (Some(ROOM), Some(seq));
    (header.encode(), Salt([seq as u8; 32]), Content::text(text).encode().to_vec())
}
