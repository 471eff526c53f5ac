//! What the senders were told, against the rooms.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, ensure};

use crate::files::{History, of_kind, parse};
use crate::format::{Client, Kind};
use crate::ids::{digest, hex_id};
use crate::report::{Report, Violation};
use crate::rooms::{NEVER, NOBODY, Rooms};

/// A send whose outcome is open.
struct Sent {
    room: u128,
    digest: u64,
    invoked: u64,
    client: u32,
}

/// What remains to be settled once all senders are read.
#[derive(Default)]
struct Open {
    /// Request id to a send that may be in the record, or not.
    unknown: HashMap<u128, Sent>,
    refused: HashSet<u128>,
    /// Request id to the place where it was acked, and is not.
    missing: HashMap<u128, (u128, u64)>,
}

/// How many sends had which outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) acked: u64,
    pub(crate) unknown: u64,
    pub(crate) refused: u64,
}

/// Reads all senders, and claims the entries that they made.
pub(crate) fn read(histories: &[History], rooms: &mut Rooms, report: &mut Report) -> Result<Outcomes> {
    let mut open = Open::default();
    let mut outcomes = Outcomes::default();
    for (number, history) in (0..).zip(of_kind(histories, Kind::Client)) {
        read_one(history, number, rooms, &mut open, &mut outcomes, report)?;
    }
    settle(open, rooms, report);
    Ok(outcomes)
}

fn read_one(
    history: &History,
    client: u32,
    rooms: &mut Rooms,
    open: &mut Open,
    outcomes: &mut Outcomes,
    report: &mut Report,
) -> Result<()> {
    let mut under_way: HashMap<u128, Sent> = HashMap::new();
    let mut elsewhere: HashSet<u128> = HashSet::new();
    history.lines(|line| {
        let line = parse(line)?;
        if let Client::Invoke { op, room, text, at } = line {
            let (op, room) = (hex_id(op)?, hex_id(room)?);
            if rooms.cover(room) {
                let sent = Sent { room, digest: digest(text.as_bytes()), invoked: at, client };
                ensure!(under_way.insert(op, sent).is_none(), "{op:032x} begins twice");
            } else {
                elsewhere.insert(op);
            }
            return Ok(());
        }
        let (Client::Ack { op, .. } | Client::Refused { op, .. } | Client::Unknown { op } | Client::Invoke { op, .. }) =
            line;
        let op = hex_id(op)?;
        if elsewhere.remove(&op) {
            return Ok(());
        }
        let sent = under_way.remove(&op).with_context(|| format!("{op:032x} ends without a begin"))?;
        match line {
            Client::Ack { seq, at, .. } => {
                outcomes.acked += 1;
                claim(op, &sent, seq, at, rooms, open, report);
            }
            Client::Refused { .. } => {
                outcomes.refused += 1;
                open.refused.insert(op);
            }
            _ => drop(open.unknown.insert(op, sent)),
        }
        Ok(())
    })?;
    open.unknown.extend(under_way);
    outcomes.unknown = open.unknown.len() as u64;
    Ok(())
}

/// An acked send must be where it was said to be, and nobody else's.
fn claim(op: u128, sent: &Sent, seq: u64, at: u64, rooms: &mut Rooms, open: &mut Open, report: &mut Report) {
    let room = sent.room;
    match rooms.at(room, seq) {
        Some(entry) if entry.request == op => {
            if entry.client != NOBODY {
                report.add(Violation::Doubled, || format!("{op:032x} was acked twice at {seq} of room {room:032x}"));
            }
            if entry.digest != sent.digest {
                report.add(Violation::Phantom, || format!("seq {seq} of room {room:032x} is not what {op:032x} said"));
            }
            (entry.invoked, entry.returned, entry.client) = (sent.invoked, at, sent.client);
        }
        _ => drop(open.missing.insert(op, (room, seq))),
    }
}

/// Finds whose the entries are that nobody has claimed, and what became of the sends that are not where they should be.
fn settle(mut open: Open, rooms: &mut Rooms, report: &mut Report) {
    let unclaimed: Vec<(u128, u64, u128)> = rooms.unclaimed().collect();
    let mut strays = vec![];
    let mut taken = HashSet::new();
    for (room, seq, op) in unclaimed {
        let place = || format!("{op:032x} at seq {seq} of room {room:032x}");
        if let Some((_, told)) = open.missing.remove(&op) {
            report.add(Violation::Reordered, || format!("{} was acked as seq {told}", place()));
            taken.insert(op);
        } else if let Some(sent) = open.unknown.get(&op) {
            let entry = rooms.at(room, seq);
            if sent.room != room || entry.as_ref().is_some_and(|entry| entry.digest != sent.digest) {
                report.add(Violation::Phantom, || format!("{} was sent with another text or to another room", place()));
            }
            if !taken.insert(op) {
                report.add(Violation::Doubled, || format!("{} is there twice", place()));
            }
            if let Some(entry) = entry {
                (entry.invoked, entry.returned, entry.client) = (sent.invoked, NEVER, sent.client);
            }
        } else if open.refused.contains(&op) {
            report.add(Violation::Phantom, || format!("{} was refused", place()));
        } else {
            strays.push((room, seq, op));
        }
    }
    for (op, (room, seq)) in open.missing {
        report.add(Violation::Lost, || {
            format!("{op:032x} was acked as seq {seq} of room {room:032x}, which has none such")
        });
    }
    strayed(&strays, &taken, rooms, report);
}

/// Entries that belong to no open send: a second copy of one that has its place, or nobody's.
fn strayed(strays: &[(u128, u64, u128)], taken: &HashSet<u128>, rooms: &Rooms, report: &mut Report) {
    let wanted: HashSet<u128> = strays.iter().map(|(_, _, op)| *op).collect();
    let claimed = rooms.rooms.values().flatten().filter(|entry| entry.client != NOBODY);
    let twice: HashSet<u128> = claimed.map(|entry| entry.request).filter(|op| wanted.contains(op)).collect();
    for (room, seq, op) in strays {
        let (violation, what) = match twice.contains(op) || taken.contains(op) {
            true => (Violation::Doubled, "is there twice"),
            false => (Violation::Phantom, "was sent by nobody"),
        };
        report.add(violation, || format!("{op:032x} at seq {seq} of room {room:032x} {what}"));
    }
}
