//! A deed whose outcome its client never learned happened at most once, and as it was meant; a refused one never.

use super::{Evidence, History, is_effect};
use crate::history::Outcome;

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for done in history.done.iter().filter(|done| done.reuses.is_none() && done.acked().is_none()) {
        let most = match &done.ended {
            Some((_, Outcome::Refused(_))) => 0,
            _ => 1,
        };
        let found = evidence.places(&done.request);
        let fits = found.iter().all(|(room, entry)| *room == done.room && is_effect(done, entry, history));
        if found.len() > most || !fits {
            wrong.push(format!("{done:?} is in the record: {found:?}"));
        }
    }
    wrong
}
