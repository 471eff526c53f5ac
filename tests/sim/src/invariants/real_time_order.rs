//! What was begun after another deed was acked comes after it.

use std::collections::BTreeMap;

use super::{Evidence, History};
use crate::history::Done;

pub(super) fn check(history: &History, _: &Evidence) -> Vec<String> {
    let mut rooms: BTreeMap<&str, Vec<(&Done, u64)>> = BTreeMap::new();
    for done in history.done.iter().filter(|done| done.reuses.is_none()) {
        if let Some(seq) = done.acked() {
            rooms.entry(&done.room).or_default().push((done, seq));
        }
    }
    let mut wrong = Vec::new();
    for deeds in rooms.values() {
        for (later, seq) in deeds {
            let before = deeds.iter().filter(|(done, _)| done.acked_before(later.begun).is_some());
            if let Some((earlier, _)) = before.into_iter().find(|(_, other)| other >= seq) {
                wrong.push(format!("{later:?} was begun after the ack of {earlier:?}"));
            }
        }
    }
    wrong
}
