//! Once a redaction was acked, nobody reads the text any more, nor that of its edits.

use std::{collections::BTreeMap, time::Duration};

use hansard_domain::Kind;

use super::{Evidence, History};
use crate::history::{Deed, Outcome, Seen};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut hidden: BTreeMap<(&str, u64), Duration> = BTreeMap::new();
    for done in &history.done {
        if let (Deed::Redact(target), Some((ended, Outcome::Acked(_)))) = (done.deed, &done.ended) {
            let first = hidden.entry((&done.room, target)).or_insert(*ended);
            *first = (*first).min(*ended);
        }
    }
    let mut wrong = Vec::new();
    for page in &history.pages {
        for item in &page.items {
            let Seen::Event(shown) = item else { continue };
            let Some(entry) = evidence.entry(&page.room, shown.seq) else { continue };
            let target = if entry.kind == Kind::Edit { entry.target.unwrap_or_default() } else { entry.seq };
            let since = hidden.get(&(page.room.as_str(), target));
            if since.is_some_and(|since| *since < page.begun) && !shown.text.is_empty() {
                wrong.push(format!("client{} read {shown:?} of {}, redacted at {since:?}", page.client, page.room));
            }
        }
    }
    wrong
}
