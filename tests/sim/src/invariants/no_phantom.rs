//! Every entry of a room but its first is somebody's deed.

use std::collections::BTreeMap;

use hansard_domain::Kind;

use super::{Evidence, History, is_effect};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let first = history.done.iter().filter(|done| done.reuses.is_none());
    let deeds: BTreeMap<&str, _> = first.map(|done| (done.request.as_str(), done)).collect();
    let mut wrong = Vec::new();
    for (room, held) in &evidence.rooms {
        for entry in held.entries.iter().filter(|entry| entry.kind != Kind::RoomCreated) {
            let deed = deeds.get(entry.request.as_str());
            if !deed.is_some_and(|done| done.room == *room && is_effect(done, entry, history)) {
                wrong.push(format!("nobody did what {room} has as {entry:?}"));
            }
        }
    }
    wrong
}
