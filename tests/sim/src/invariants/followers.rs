//! A follower is handed out 1, 2, 3, … over all its sessions, up to the end of what it may see: each event as it is, or a gap
//! over what it may not see.

use super::{Evidence, History, shows};
use crate::{evidence::Room, history::Seen};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (client, person) in &history.people {
        for (room, held) in &evidence.rooms {
            let seen = history.seen.get(&(*client, room.clone())).map(Vec::as_slice).unwrap_or_default();
            if let Err(what) = run(seen.iter().map(|(_, seen)| seen), held, person) {
                wrong.push(format!("client{client} in {room}: {what}"));
            }
        }
    }
    wrong
}

fn run<'a>(seen: impl Iterator<Item = &'a Seen>, room: &Room, person: &str) -> Result<(), String> {
    let mut cursor = 0;
    for item in seen {
        let (from, to) = item.span();
        if from != cursor + 1 {
            return Err(format!("{item:?} came after {cursor}"));
        }
        match item {
            Seen::Event(shown) => {
                let entry = room.entries.get(from as usize - 1).ok_or(format!("there is no {shown:?}"))?;
                if !shows(shown, entry, &room.entries) {
                    return Err(format!("saw {shown:?} where the record has {entry:?}"));
                }
            }
            Seen::Gap(..) if (from..=to).any(|seq| room.sees(person, seq)) && !room.came_back(person) => {
                return Err(format!("{item:?} hides what may be seen"));
            }
            Seen::Gap(..) => {}
            Seen::Hole(..) => return Err(format!("{item:?}")),
        }
        cursor = to;
    }
    let last = room.entries.iter().rev().find(|entry| room.sees(person, entry.seq)).map_or(0, |entry| entry.seq);
    if cursor < last { Err(format!("it ended at {cursor} of {last}")) } else { Ok(()) }
}
