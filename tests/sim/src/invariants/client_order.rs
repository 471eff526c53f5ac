//! What one person does, each after the outcome of the one before, stays in that order; also where the outcome of one in
//! between never came to be known.

use std::collections::BTreeMap;

use super::{Evidence, History};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut last: BTreeMap<(usize, &str), (std::time::Duration, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for done in history.done.iter().filter(|done| done.reuses.is_none()) {
        let Some((ended, _)) = done.ended.as_ref().filter(|_| done.acked().is_some()) else { continue };
        let places = evidence.places(&done.request);
        let Some((_, entry)) = places.first() else { continue };
        let before = last.get(&(done.client, done.room.as_str()));
        if before.is_some_and(|(acked, seq)| *acked < done.begun && entry.seq <= *seq) {
            wrong.push(format!("{done:?} came before an earlier deed of the same person, at {before:?}"));
        }
        last.insert((done.client, &done.room), (*ended, entry.seq));
    }
    wrong
}
