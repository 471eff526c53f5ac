//! A room's history as a person may see it, by page: entries and gaps cover the page's seqs without a hole.

use std::collections::HashMap;

use bytes::Bytes;

use super::events;
use crate::authorize::outside;
use crate::entry::{Entry, Gap, GapReason};
use crate::event::ContentState;
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::limits::{MAX_PAGE, MAX_PAGE_BYTES};
use crate::member::Member;
use crate::refusal::Refusal;
use crate::rows::Rows;

/// Which page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryRequest {
    /// Entries above this seq.
    pub after: u64,
    /// The newest entries below this seq; 0: the oldest above `after`.
    pub before: u64,
    /// At most so many entries; at most 1,000.
    pub limit: usize,
    /// At most so many bytes of content, but for the entry that crosses the bound; at most 1 MiB.
    pub limit_bytes: usize,
    /// An empty page at the head, whatever `after` says.
    pub from_now: bool,
}

/// A page. Empty: `from` is 0, and `to` is the `after` that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Ascending.
    pub entries: Vec<Entry>,
    /// What the person may not see, ascending.
    pub gaps: Vec<Gap>,
    /// The first seq that the page speaks of.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The newest seq that the person may know of.
    pub head: u64,
    /// The person's view ends at `to`, and nothing above it will ever be shown unless the person becomes a member again.
    pub ended: bool,
}

/// A page of a room.
pub fn history<R: Rows>(
    rows: &R,
    person: PersonId,
    room_id: RoomId,
    request: &HistoryRequest,
) -> Result<Result<Page, Refusal>, R::Error> {
    let Some(room) = super::room(rows, room_id)? else {
        return Ok(Err(Refusal::RoomUnknown));
    };
    let Some(member) = super::member(rows, room_id, person)? else {
        return Ok(Err(outside(&room, None)));
    };
    let head = member.visible_head(room.head);
    let mut page = Page { head, ..Page::default() };
    if request.from_now {
        page.to = head;
    } else {
        let backwards = request.before > 0;
        let hi = if backwards { head.min(request.before - 1) } else { head };
        let mut stretches = stretches(&member, request.after.saturating_add(1), hi);
        page.to = request.after;
        if backwards {
            stretches.reverse();
        }
        fill(rows, room_id, request, backwards, &stretches, &mut page)?;
        hide_edits_of_redacted(rows, room_id, &mut page.entries)?;
    }
    page.ended = !member.is_current() && page.to >= head;
    Ok(Ok(page))
}

/// Seqs that are all shown, or all not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stretch {
    from: u64,
    to: u64,
    shown: bool,
}

/// Cuts `lo..=hi` into stretches, ascending.
fn stretches(member: &Member, lo: u64, hi: u64) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut next = lo;
    for interval in &member.intervals {
        let (from, to) = (interval.from.max(next), interval.to.unwrap_or(hi).min(hi));
        if from > to {
            continue;
        }
        if from > next {
            found.push(Stretch { from: next, to: from - 1, shown: false });
        }
        found.push(Stretch { from, to, shown: true });
        next = to + 1;
    }
    if next <= hi {
        found.push(Stretch { from: next, to: hi, shown: false });
    }
    found
}

/// Fills the page, stretch by stretch, up to its bounds. What it covers is `from..=to`.
fn fill<R: Rows>(
    rows: &R,
    room: RoomId,
    request: &HistoryRequest,
    backwards: bool,
    stretches: &[Stretch],
    page: &mut Page,
) -> Result<(), R::Error> {
    let mut left = request.limit.clamp(1, MAX_PAGE);
    let mut bytes_left = request.limit_bytes.clamp(1, MAX_PAGE_BYTES) as i64;
    let mut covered: Option<(u64, u64)> = None;
    for stretch in stretches {
        if left == 0 || bytes_left <= 0 {
            break;
        }
        let mut reached = (stretch.from, stretch.to);
        if stretch.shown {
            let mut last = None;
            events::visit(rows, room, (stretch.from, stretch.to), backwards, &mut |seq, row| {
                let entry = row.entry(seq, false);
                bytes_left -= entry.content.len() as i64;
                left -= 1;
                last = Some(seq);
                page.entries.push(entry);
                left > 0 && bytes_left > 0
            })?;
            let last = last.expect("a room has no holes below its head");
            reached = if backwards { (last, stretch.to) } else { (stretch.from, last) };
        } else {
            page.gaps.push(Gap { from: stretch.from, to: stretch.to, reason: GapReason::BeforeMembership });
        }
        covered = Some(match covered {
            None => reached,
            Some((from, to)) => (from.min(reached.0), to.max(reached.1)),
        });
    }
    if let Some((from, to)) = covered {
        (page.from, page.to) = (from, to);
    }
    if backwards {
        page.entries.reverse();
        page.gaps.reverse();
    }
    Ok(())
}

/// A redaction hides a message's edits too, whose rows do not know of it.
pub(super) fn hide_edits_of_redacted<R: Rows>(rows: &R, room: RoomId, entries: &mut [Entry]) -> Result<(), R::Error> {
    let mut redacted = HashMap::new();
    for entry in entries.iter_mut().filter(|e| e.kind == Kind::Edit) {
        let target = entry.target.expect("an edit has a target");
        let hidden = match redacted.get(&target) {
            Some(hidden) => *hidden,
            None => {
                let row = super::event(rows, room, target)?;
                let hidden = row.is_none_or(|row| row.state == ContentState::Redacted);
                redacted.insert(target, hidden);
                hidden
            }
        };
        if hidden {
            entry.content = Bytes::new();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Interval;
    use crate::room::Role;

    fn cut(intervals: &[(u64, Option<u64>)], lo: u64, hi: u64) -> Vec<(u64, u64, bool)> {
        let intervals = intervals.iter().map(|(from, to)| Interval { from: *from, to: *to }).collect();
        let member = Member { role: Role::Member, since: 1, removed: false, intervals };
        stretches(&member, lo, hi).iter().map(|s| (s.from, s.to, s.shown)).collect()
    }

    #[test]
    fn stretches_cover_all_that_is_asked_for() {
        assert_eq!(cut(&[(1, None)], 1, 9), [(1, 9, true)]);
        assert_eq!(cut(&[(4, Some(6)), (9, None)], 1, 12), [(1, 3, false), (4, 6, true), (7, 8, false), (9, 12, true)]);
        assert_eq!(cut(&[(4, Some(6)), (9, None)], 5, 8), [(5, 6, true), (7, 8, false)]);
        assert_eq!(cut(&[(4, None)], 1, 2), [(1, 2, false)]);
        assert_eq!(cut(&[(4, None)], 8, 7), []);
    }
}
