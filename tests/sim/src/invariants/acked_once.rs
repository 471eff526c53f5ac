//! An acked deed is in the record: once, at the seq it was acked with, as it was done.

use super::{Evidence, History, is_effect};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for done in history.done.iter().filter(|done| done.reuses.is_none()) {
        let Some(seq) = done.acked() else { continue };
        let found = evidence.places(&done.request);
        let [(room, entry)] = found[..] else {
            wrong.push(format!("{done:?} is in the record {} times: {found:?}", found.len()));
            continue;
        };
        if (room, entry.seq) != (&done.room, seq) || !is_effect(done, entry, history) {
            wrong.push(format!("{done:?} is in the record as {entry:?} of {room}"));
        }
    }
    wrong
}
