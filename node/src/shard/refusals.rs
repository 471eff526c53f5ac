//! Refusals of people, on their way into the record: bounded, then counted.
//!
//! The first ten a minute of a person are recorded one by one; the rest of that minute's become one count for each reason.

use std::collections::HashMap;

use hansard_domain::{PersonId, Refusal, RoomId};

use super::request::RefusalReport;

/// Refusals of one person in one minute that are recorded one by one.
pub const ONE_BY_ONE: u32 = 10;
/// A minute, in microseconds.
pub const MINUTE_US: i64 = 60_000_000;
/// People whose refusals are counted at a time. Beyond it the refusals of further people share one count, the system's.
pub const PEOPLE: usize = 10_000;

/// What to do with one refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Record it now.
    Record,
    /// It is counted and will be recorded with others.
    Counted,
}

#[derive(Default)]
struct Minute {
    started_us: i64,
    recorded: u32,
    counts: Vec<Count>,
}

struct Count {
    reason: Refusal,
    room: Option<RoomId>,
    count: u64,
    first_us: i64,
    last_us: i64,
}

/// Counts the refusals of one shard's people.
#[derive(Default)]
pub struct Refusals {
    people: HashMap<PersonId, Minute>,
}

impl Refusals {
    /// Notes a refusal at `now_us`.
    pub fn note(&mut self, person: PersonId, room: Option<RoomId>, reason: Refusal, now_us: i64) -> Verdict {
        let crowded = self.people.len() >= PEOPLE && !self.people.contains_key(&person);
        let minute = self.people.entry(if crowded { PersonId::SYSTEM } else { person }).or_default();
        if minute.recorded == 0 && minute.counts.is_empty() {
            minute.started_us = now_us;
        }
        if !crowded && minute.recorded < ONE_BY_ONE {
            minute.recorded += 1;
            return Verdict::Record;
        }
        match minute.counts.iter_mut().find(|count| count.reason == reason) {
            Some(count) => {
                count.count += 1;
                count.last_us = now_us;
                // One count speaks of one room, or of none.
                if count.room != room {
                    count.room = None;
                }
            }
            None => minute.counts.push(Count { reason, room, count: 1, first_us: now_us, last_us: now_us }),
        }
        Verdict::Counted
    }

    /// All counts. Who has had ten recorded in this minute is counted on.
    pub fn take(&mut self) -> Vec<RefusalReport> {
        let counted = |(&person, minute): (&PersonId, &mut Minute)| {
            let counts = std::mem::take(&mut minute.counts);
            counts.into_iter().map(move |count| report(person, &count)).collect::<Vec<_>>()
        };
        sorted(self.people.iter_mut().flat_map(counted).collect())
    }

    /// The counts of minutes that are over at `now_us`; those people start afresh.
    pub fn due(&mut self, now_us: i64) -> Vec<RefusalReport> {
        let mut due = Vec::new();
        self.people.retain(|&person, minute| {
            if now_us.saturating_sub(minute.started_us) < MINUTE_US {
                return true;
            }
            due.extend(minute.counts.iter().map(|count| report(person, count)));
            false
        });
        sorted(due)
    }
}

fn report(person: PersonId, counted: &Count) -> RefusalReport {
    let &Count { room, reason, count, first_us, last_us } = counted;
    RefusalReport { person, room, reason, count, first_us, last_us }
}

fn sorted(mut reports: Vec<RefusalReport>) -> Vec<RefusalReport> {
    reports.sort_by_key(|report| (report.person, report.reason.number()));
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PersonId = PersonId::from_bytes([1; 16]);
    const BEN: PersonId = PersonId::from_bytes([2; 16]);

    #[test]
    fn the_first_ten_are_recorded_and_the_rest_counted_once_a_minute() {
        let mut refusals = Refusals::default();
        for at in 0..25 {
            let verdict = refusals.note(ANN, None, Refusal::RoomUnknown, at);
            assert_eq!(verdict == Verdict::Record, at < 10, "refusal {at}");
        }
        assert_eq!(refusals.note(BEN, None, Refusal::RoomUnknown, 30), Verdict::Record);
        assert!(refusals.due(MINUTE_US - 1).is_empty());
        let due = refusals.due(MINUTE_US);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].person, due[0].count, due[0].first_us, due[0].last_us), (ANN, 15, 10, 24));
        assert_eq!(refusals.note(ANN, None, Refusal::RoomUnknown, MINUTE_US + 1), Verdict::Record);
    }

    #[test]
    fn what_is_taken_is_counted_once_and_the_minute_goes_on() {
        let mut refusals = Refusals::default();
        for at in 0..12 {
            refusals.note(ANN, None, Refusal::RoomUnknown, at);
        }
        let taken = refusals.take();
        assert_eq!(taken.iter().map(|report| (report.person, report.count)).collect::<Vec<_>>(), [(ANN, 2)]);
        assert!(refusals.take().is_empty());
        assert_eq!(refusals.note(ANN, None, Refusal::RoomUnknown, 13), Verdict::Counted);
        assert_eq!(refusals.due(MINUTE_US)[0].count, 1);
    }

    #[test]
    fn reasons_are_counted_apart_and_rooms_only_when_they_agree() {
        let mut refusals = Refusals::default();
        let room = |n| Some(RoomId::from_bytes([n; 16]));
        for at in 0..10 {
            refusals.note(ANN, None, Refusal::NotAllowed, at);
        }
        refusals.note(ANN, room(1), Refusal::NotAllowed, 11);
        refusals.note(ANN, room(1), Refusal::NotAllowed, 12);
        refusals.note(ANN, room(1), Refusal::NotMember, 13);
        refusals.note(ANN, room(2), Refusal::NotMember, 14);
        let due = refusals.due(2 * MINUTE_US);
        let mut counted: Vec<_> = due.iter().map(|r| (r.reason, r.room, r.count)).collect();
        counted.sort_by_key(|(reason, ..)| reason.number());
        assert_eq!(counted, [(Refusal::NotMember, None, 2), (Refusal::NotAllowed, room(1), 2)]);
    }

    #[test]
    fn a_crowd_shares_one_count() {
        let mut refusals = Refusals::default();
        for n in 0..PEOPLE as u128 {
            refusals.note(PersonId::from_bytes((n + 1).to_be_bytes()), None, Refusal::NotMember, 0);
        }
        let stranger = PersonId::from_bytes([0xff; 16]);
        assert_eq!(refusals.note(stranger, None, Refusal::NotMember, 1), Verdict::Counted);
        assert_eq!(refusals.due(MINUTE_US + 1)[0].person, PersonId::SYSTEM);
    }
}
