//! What the subscribers were handed out: each a run of the room's log without gaps, doubles and changes.

use std::collections::HashMap;

use anyhow::{Context, Result};

use crate::files::{History, of_kind, parse};
use crate::format::{Follower, Kind};
use crate::ids::{digest, hex_id};
use crate::report::{Report, Violation};
use crate::rooms::Rooms;

/// Reads all subscribers; how many events they got.
pub(crate) fn read(histories: &[History], rooms: &mut Rooms, report: &mut Report) -> Result<u64> {
    let mut events = 0;
    for history in of_kind(histories, Kind::Follower) {
        let mut stream = Stream { name: &history.title.name, cursors: HashMap::new(), rooms, report, events: 0 };
        history.lines(|line| stream.take(parse(line)?))?;
        events += stream.events;
    }
    Ok(events)
}

struct Stream<'a> {
    name: &'a str,
    /// Room to the last seq.
    cursors: HashMap<u128, u64>,
    rooms: &'a mut Rooms,
    report: &'a mut Report,
    events: u64,
}

impl Stream<'_> {
    fn take(&mut self, line: Follower<'_>) -> Result<()> {
        let (Follower::Start { room, .. }
        | Follower::Event { room, .. }
        | Follower::Missing { room, .. }
        | Follower::End { room, .. }) = &line;
        let room = hex_id(room)?;
        if !self.rooms.cover(room) {
            return Ok(());
        }
        if let Follower::Start { after, .. } = line {
            self.cursors.insert(room, after);
            return Ok(());
        }
        let cursor = self.cursors.get_mut(&room).with_context(|| format!("room {room:032x} was not started"))?;
        let (name, before) = (self.name, *cursor);
        match line {
            Follower::Event { seq, text, .. } => {
                self.events += 1;
                *cursor = seq;
                let what = match self.rooms.at(room, seq) {
                    _ if seq != before + 1 => "is out of turn",
                    Some(entry) if entry.digest == digest(text.as_bytes()) => return Ok(()),
                    Some(_) => "says something else than the record",
                    None => "is not in the record",
                };
                self.report
                    .add(Violation::Stream, || format!("{name}: seq {seq} of room {room:032x} after {before} {what}"));
            }
            Follower::Missing { from, to, .. } => {
                *cursor = to;
                self.report.add(Violation::Stream, || {
                    format!("{name}: seqs {from} to {to} of room {room:032x} were not shown")
                });
            }
            Follower::End { seq, .. } => {
                let head = self.rooms.head(room);
                if (before, seq) != (head, head) {
                    self.report.add(Violation::Stream, || {
                        format!("{name} ended room {room:032x} at seq {before}, told {seq}; the record has {head}")
                    });
                }
            }
            Follower::Start { .. } => {}
        }
        Ok(())
    }
}
