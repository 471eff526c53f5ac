//! Histories of a cluster that keeps its promises, to be damaged by tests.

use std::path::Path;

use data_encoding::HEXLOWER;
use hansard_checker::Writer;
use hansard_checker::format::{Client, Cluster, Follower, Kind, Node};
use hansard_checker::tree::{Tree, leaf};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What became of a send.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Outcome {
    Acked(u64, u64),
    Refused,
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) op: u128,
    pub(crate) room: u128,
    pub(crate) text: String,
    pub(crate) at: u64,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) op: u128,
    pub(crate) room: u128,
    pub(crate) seq: u64,
    pub(crate) kind: u16,
    pub(crate) text: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Event(u128, u64, String),
    Missing(u128, u64, u64),
    End(u128, u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) shard: u128,
    pub(crate) entries: Vec<Entry>,
    /// Put in the place of the true root.
    pub(crate) root: Option<[u8; 32]>,
}

/// Everything that is written of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) clients: Vec<Vec<Send>>,
    pub(crate) followers: Vec<Vec<Seen>>,
    pub(crate) nodes: Vec<Vec<Replica>>,
    pub(crate) voters: Vec<String>,
    /// Entries that the voters had when they were compared.
    pub(crate) compared: u64,
}

/// How large a run is.
pub(crate) struct Size {
    pub(crate) rooms: u128,
    pub(crate) clients: usize,
    pub(crate) sends: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self { rooms: 3, clients: 4, sends: 400 }
    }
}

/// A run of one shard on three nodes. Every client has one send at a time; each 20th outcome is unknown, and each second
/// of those is in the record all the same.
pub(crate) fn run(size: &Size) -> Run {
    let mut clients = vec![vec![]; size.clients];
    let mut entries: Vec<Entry> = vec![];
    let mut seqs = vec![0; size.rooms as usize];
    for room in 1..=size.rooms {
        seqs[room as usize - 1] = 1;
        entries.push(Entry { op: room << 64, room, seq: 1, kind: 1, text: String::new() });
    }
    for number in 0..size.sends {
        let room = u128::from(number * 7 % 1_009) % size.rooms + 1;
        let client = number as usize % size.clients;
        let (op, at) = (u128::from(number) + 1, number * 1_000);
        let text = format!("{client}.{number}: \"what\" is said {}", "x".repeat(number as usize % 90));
        let mut place = || {
            let seq = &mut seqs[room as usize - 1];
            *seq += 1;
            entries.push(Entry { op, room, seq: *seq, kind: 2, text: text.clone() });
            *seq
        };
        let outcome = match number % 40 {
            13 => Outcome::Unknown,
            33 => {
                place();
                Outcome::Unknown
            }
            27 => Outcome::Refused,
            // Sends of different clients overlap; those of one do not.
            _ => Outcome::Acked(place(), at + 1_500),
        };
        clients[client].push(Send { op, room, text, at, outcome });
    }
    let mut seen: Vec<Seen> =
        entries.iter().map(|entry| Seen::Event(entry.room, entry.seq, entry.text.clone())).collect();
    seen.extend((1..=size.rooms).map(|room| Seen::End(room, seqs[room as usize - 1])));
    let compared = entries.len() as u64;
    let replica = Replica { shard: 7, entries, root: None };
    Run {
        clients,
        followers: vec![seen; 2],
        nodes: vec![vec![replica]; 3],
        voters: ["n0", "n1", "n2"].map(str::to_owned).to_vec(),
        compared,
    }
}

fn id(id: u128) -> String {
    format!("{id:032x}")
}

impl Run {
    pub(crate) fn write(&self, directory: &Path) {
        for (number, sends) in self.clients.iter().enumerate() {
            let mut out = Writer::create(directory, Kind::Client, &format!("c{number}")).unwrap();
            sends.iter().for_each(|send| write_send(&mut out, send));
            out.finish().unwrap();
        }
        for (number, seen) in self.followers.iter().enumerate() {
            let mut out = Writer::create(directory, Kind::Follower, &format!("f{number}")).unwrap();
            write_seen(&mut out, seen);
            out.finish().unwrap();
        }
        for (number, replicas) in self.nodes.iter().enumerate() {
            let mut out = Writer::create(directory, Kind::Node, &format!("n{number}")).unwrap();
            replicas.iter().for_each(|replica| write_replica(&mut out, replica));
            out.line(&Node::End { shards: replicas.len() as u64 }).unwrap();
            out.finish().unwrap();
        }
        let mut out = Writer::create(directory, Kind::Cluster, "end").unwrap();
        let voters = self.voters.iter().map(String::as_str).collect();
        out.line(&Cluster::Shard { id: &id(7), voters, entries: self.compared }).unwrap();
        out.finish().unwrap();
    }
}

fn write_send(out: &mut Writer, send: &Send) {
    let (op, room) = (&*id(send.op), &*id(send.room));
    out.line(&Client::Invoke { op, room, text: (&*send.text).into(), at: send.at }).unwrap();
    let end = match send.outcome {
        Outcome::Acked(seq, at) => Client::Ack { op, seq, at },
        Outcome::Refused => Client::Refused { op, why: "ROOM_UNKNOWN" },
        Outcome::Unknown => Client::Unknown { op },
    };
    out.line(&end).unwrap();
}

fn write_seen(out: &mut Writer, seen: &[Seen]) {
    let mut started = std::collections::BTreeSet::new();
    for item in seen {
        let (Seen::Event(room, ..) | Seen::Missing(room, ..) | Seen::End(room, _)) = item;
        let (room, new) = (&*id(*room), started.insert(*room));
        if new {
            out.line(&Follower::Start { room, after: 0 }).unwrap();
        }
        let line = match item {
            Seen::Event(_, seq, text) => Follower::Event { room, seq: *seq, text: (&**text).into() },
            Seen::Missing(_, from, to) => Follower::Missing { room, from: *from, to: *to },
            Seen::End(_, seq) => Follower::End { room, seq: *seq },
        };
        out.line(&line).unwrap();
    }
}

fn write_replica(out: &mut Writer, replica: &Replica) {
    let salt = [9; 32];
    let mut tree = Tree::default();
    let lines: Vec<(Vec<u8>, Vec<u8>)> = (0..)
        .zip(&replica.entries)
        .map(|(index, entry)| {
            let (header, content) = (header(replica.shard, index, entry), content(&entry.text));
            let mac = Hmac::<Sha256>::new_from_slice(&salt).unwrap().chain_update(&content);
            tree.push(leaf(&header, &mac.finalize().into_bytes().into()));
            (header, content)
        })
        .collect();
    let root = HEXLOWER.encode(&replica.root.unwrap_or(tree.root()));
    out.line(&Node::Shard { id: &id(replica.shard), size: tree.size(), root: &root }).unwrap();
    for (header, content) in lines {
        let (header, content) = (&*HEXLOWER.encode(&header), &*HEXLOWER.encode(&content));
        out.line(&Node::Entry { header, salt: &HEXLOWER.encode(&salt), content }).unwrap();
    }
}

fn header(shard: u128, index: u64, entry: &Entry) -> Vec<u8> {
    let mut out = vec![1];
    out.extend(entry.kind.to_be_bytes());
    let placed = entry.room != 0;
    out.extend((if placed { 3_u16 } else { 0 }).to_be_bytes());
    out.extend(shard.to_be_bytes());
    out.extend(index.to_be_bytes());
    out.extend((1_000_000 + index as i64).to_be_bytes());
    out.extend([5; 16]);
    out.extend(entry.op.to_be_bytes());
    out.extend([0; 10]);
    if placed {
        out.extend(entry.room.to_be_bytes());
        out.extend(entry.seq.to_be_bytes());
    }
    out
}

fn content(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return vec![];
    }
    let mut out = vec![1];
    let mut length = text.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(text.as_bytes());
    out
}
