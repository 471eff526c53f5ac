//! Whoever left a room or was removed is shown nothing that came after, unless already let in again.

use std::{collections::BTreeMap, time::Duration};

use hansard_domain::Kind;

use super::{Evidence, History};
use crate::{evidence::Stored, history::Seen};

/// A time without membership: after this seq, until this deed.
struct Absence {
    after: u64,
    back: Option<(u64, Duration)>,
}

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let begun: BTreeMap<&str, Duration> = history.done.iter().map(|done| (&done.request[..], done.begun)).collect();
    let mut wrong = Vec::new();
    for ((client, room), seen) in &history.seen {
        let (Some(person), Some(held)) = (history.people.get(client), evidence.rooms.get(room)) else { continue };
        let absences = absences(person, &held.entries, &begun);
        for (at, seen) in seen {
            let Seen::Event(shown) = seen else { continue };
            let heard = absences.iter().find(|absence| {
                let back = absence.back.is_some_and(|(seq, begun)| begun <= *at || seq <= shown.seq);
                shown.seq > absence.after && !back
            });
            if let Some(absence) = heard {
                wrong.push(format!("client{client} left {room} at {}, and saw {shown:?} at {at:?}", absence.after));
            }
        }
    }
    wrong
}

fn absences(person: &str, entries: &[Stored], begun: &BTreeMap<&str, Duration>) -> Vec<Absence> {
    let mut absences: Vec<Absence> = Vec::new();
    for entry in entries {
        let subject = entry.person.as_deref().unwrap_or(&entry.actor);
        match entry.kind {
            Kind::Left | Kind::Removed if subject == person => absences.push(Absence { after: entry.seq, back: None }),
            Kind::Joined | Kind::Invited if subject == person => {
                if let Some(last) = absences.last_mut() {
                    last.back = Some((entry.seq, begun.get(&entry.request[..]).copied().unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    absences
}
