//! A page of history covers its seqs without a hole, each as it is; and it is of no older moment than its request.

use super::{Evidence, History, shows};
use crate::{
    evidence::Room,
    history::{Paged, Seen},
    layout::stays,
};

pub(super) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in &history.pages {
        let Some(room) = evidence.rooms.get(&page.room) else { continue };
        if let Err(what) = whole(page, room) {
            wrong.push(format!("client{} read {:?} of {}: {what}", page.client, page.span, page.room));
        }
        if let Some(missed) = missed(page, history).filter(|_| stays(page.client)) {
            let what = format!("saw {} as newest of {}, where {missed} was acked before", page.head, page.room);
            wrong.push(format!("client{} asked at {:?} and {what}", page.client, page.begun));
        }
    }
    wrong
}

fn whole(page: &Paged, room: &Room) -> Result<(), String> {
    let mut next = page.span.map_or(0, |(from, _)| from);
    for item in &page.items {
        if item.span().0 != next {
            return Err(format!("{item:?} where {next} belongs"));
        }
        next = item.span().1 + 1;
        let Seen::Event(shown) = item else { continue };
        let entry = room.entries.get(shown.seq as usize - 1).ok_or(format!("there is no {shown:?}"))?;
        if !shows(shown, entry, &room.entries) {
            return Err(format!("{shown:?} where the record has {entry:?}"));
        }
    }
    match page.span {
        Some((_, to)) if next != to + 1 => Err(format!("it ends before {next}")),
        _ => Ok(()),
    }
}

/// The newest seq that was acked before the page was asked for, if the page does not know of it.
fn missed(page: &Paged, history: &History) -> Option<u64> {
    let acked = history.done.iter().filter(|done| done.room == page.room);
    acked.filter_map(|done| done.acked_before(page.begun)).max().filter(|newest| *newest > page.head)
}
