//! Presence as this router knows it, and how often changes of it are passed on. Sans-IO.

use std::collections::HashMap;

use hansard_domain::PersonId;
use hansard_proto::v1::Availability;
use tokio::time::Instant;

use crate::limits::{PRESENCE_INTERVAL, PRESENCES};

/// Availability and the time when an answer can be had, seconds since 1970.
pub(crate) type Presence = (i32, i64);

/// A change that is to be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whose.
    pub(crate) person: PersonId,
    /// What it is now.
    pub(crate) presence: Presence,
    /// To those who follow a room here where the person was seen.
    pub(crate) tell: bool,
    /// To the other routers.
    pub(crate) announce: bool,
}

#[derive(Debug)]
struct Passed {
    /// When a change of this person's was last passed on.
    at: Instant,
    /// The newest that came since.
    held: Option<Change>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    known: HashMap<PersonId, Presence>,
    /// Those who changed lately.
    passed: HashMap<PersonId, Passed>,
}

impl Presences {
    /// What is known of a person.
    pub(crate) fn get(&self, person: PersonId) -> Option<Presence> {
        self.known.get(&person).copied()
    }

    /// A person says so; `here`: at this router, so that the others are to hear of it. What may be passed on now.
    pub(crate) fn note(&mut self, person: PersonId, presence: Presence, here: bool, now: Instant) -> Option<Change> {
        let tell = self.remember(person, presence);
        if !tell && !here {
            return None;
        }
        self.pace(Change { person, presence, tell, announce: here }, now)
    }

    /// A person's last session here has ended. What may be passed on now.
    pub(crate) fn gone(&mut self, person: PersonId, now: Instant) -> Option<Change> {
        self.known.remove(&person)?;
        let presence = (Availability::Offline.into(), 0);
        self.pace(Change { person, presence, tell: true, announce: true }, now)
    }

    /// What was held for long enough.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Change> {
        let mut due = Vec::new();
        self.passed.retain(|_, passed| {
            if is_recent(passed, now) {
                return true;
            }
            let change = passed.held.take();
            passed.at = now;
            due.extend(change);
            change.is_some()
        });
        due.sort_by_key(|change| change.person);
        due
    }

    /// Returns whether it is a change.
    fn remember(&mut self, person: PersonId, presence: Presence) -> bool {
        if self.known.len() >= PRESENCES && !self.known.contains_key(&person) {
            return false;
        }
        let before = match presence.0 == i32::from(Availability::Offline) {
            true => self.known.remove(&person),
            false => self.known.insert(person, presence),
        };
        before != Some(presence)
    }

    /// Holds a change back that comes too soon after the last; the newest wins.
    fn pace(&mut self, mut change: Change, now: Instant) -> Option<Change> {
        let Some(passed) = self.passed.get_mut(&change.person) else {
            if self.passed.len() < PRESENCES {
                self.passed.insert(change.person, Passed { at: now, held: None });
            }
            return Some(change);
        };
        if let Some(held) = passed.held.take() {
            change.tell |= held.tell;
            change.announce |= held.announce;
        }
        if is_recent(passed, now) {
            passed.held = Some(change);
            return None;
        }
        passed.at = now;
        Some(change)
    }
}

fn is_recent(passed: &Passed, now: Instant) -> bool {
    now.saturating_duration_since(passed.at) < PRESENCE_INTERVAL
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ME: PersonId = PersonId::from_bytes([1; 16]);
    const BUSY: Presence = (2, 0);
    const LATER: Presence = (2, 1_900_000_000);
    const OFFLINE: Presence = (Availability::Offline as i32, 0);

    #[test]
    fn one_change_in_a_second_is_passed_on_and_the_newest_wins() {
        let (mut presences, now) = (Presences::default(), Instant::now());
        let first = presences.note(ME, BUSY, true, now);
        assert_eq!(first, Some(Change { person: ME, presence: BUSY, tell: true, announce: true }));
        for n in 0..100 {
            assert_eq!(presences.note(ME, (2, n), true, now + Duration::from_millis(5)), None);
        }
        assert_eq!(presences.note(ME, LATER, false, now + Duration::from_millis(9)), None);
        assert_eq!(presences.get(ME), Some(LATER), "whoever comes now is told the newest");
        assert_eq!(presences.due(now + PRESENCE_INTERVAL / 2), []);
        let held = Change { person: ME, presence: LATER, tell: true, announce: true };
        let then = now + PRESENCE_INTERVAL;
        assert_eq!(presences.due(then), [held]);
        assert_eq!(presences.note(ME, BUSY, true, then + Duration::from_millis(1)), None, "that counts too");
        // Nobody has looked for what is due.
        let newest = presences.note(ME, LATER, true, then + PRESENCE_INTERVAL);
        assert_eq!(newest, Some(held));
        assert_eq!(presences.due(then + PRESENCE_INTERVAL * 2), []);
        assert!(presences.passed.is_empty(), "who is quiet costs nothing");
    }

    #[test]
    fn who_comes_and_goes_is_told_of_once_in_a_second_too() {
        let (mut presences, now) = (Presences::default(), Instant::now());
        assert_eq!(presences.gone(ME, now), None, "nothing was known");
        assert!(presences.note(ME, BUSY, true, now).is_some());
        for _ in 0..10 {
            assert_eq!(presences.gone(ME, now), None);
            assert_eq!(presences.note(ME, BUSY, true, now), None);
        }
        assert_eq!(presences.gone(ME, now), None);
        let gone = Change { person: ME, presence: OFFLINE, tell: true, announce: true };
        assert_eq!(presences.due(now + PRESENCE_INTERVAL), [gone]);
        assert_eq!(presences.get(ME), None);
    }

    #[test]
    fn what_others_say_again_is_no_change() {
        let (mut presences, now) = (Presences::default(), Instant::now());
        assert!(presences.note(ME, BUSY, false, now).is_some_and(|change| change.tell && !change.announce));
        let later = now + PRESENCE_INTERVAL;
        assert_eq!(presences.note(ME, BUSY, false, later), None);
        let again = presences.note(ME, BUSY, true, later);
        assert!(again.is_some_and(|change| !change.tell && change.announce), "another router may have missed it");
    }
}
