//! A room whose every text follows from a seed, the room and the message's number: whatever is read of it can be checked, in any
//! order and as often as one likes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hansard_client::v1::Event;

use crate::payload::{Stamp, Writer};

/// Which texts a room gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts {
    pub(crate) seed: u64,
    /// The room's number among those of the test.
    pub(crate) room: u32,
    pub(crate) bytes: usize,
}

impl Texts {
    /// The text of a message by its number.
    pub(crate) fn of(self, counter: u64) -> String {
        let stamp = Stamp { publisher: self.room, counter, intended_us: 0 };
        Writer::new(self.seed, u64::from(self.room) << 40 | counter).text(stamp, self.bytes)
    }
}

/// What was sent to a room, and where it was acked to be.
pub(crate) struct Book {
    pub(crate) texts: Texts,
    /// By the messages' numbers; 0 where nothing was acked.
    acks: Mutex<Vec<u64>>,
}

impl Book {
    pub(crate) fn new(texts: Texts) -> Self {
        Self { texts, acks: Mutex::default() }
    }

    fn acks(&self) -> MutexGuard<'_, Vec<u64>> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message's number.
    pub(crate) fn next(&self) -> u64 {
        let mut acks = self.acks();
        acks.push(0);
        acks.len() as u64 - 1
    }

    /// It was acked.
    pub(crate) fn acked(&self, counter: u64, seq: u64) {
        self.acks()[counter as usize] = seq;
    }

    /// How many messages were acked.
    pub(crate) fn count(&self) -> u64 {
        self.acks().iter().filter(|seq| **seq != 0).count() as u64
    }

    /// The number of the message that an event is, if it is what was sent, where it was acked to be.
    pub(crate) fn find(&self, event: &Event) -> Option<u64> {
        let stamp = Stamp::read(&event.text).filter(|stamp| stamp.publisher == self.texts.room)?;
        let acked = *self.acks().get(stamp.counter as usize)?;
        let fits = (acked == 0 || acked == event.seq) && event.text == self.texts.of(stamp.counter);
        fits.then_some(stamp.counter)
    }

    /// Begins to compare the whole room.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { book: self, seen: vec![false; self.acks().len()], wrong: 0, doubled: 0 }
    }
}

/// A room that is read once from end to end.
pub(crate) struct Reading<'a> {
    book: &'a Book,
    seen: Vec<bool>,
    wrong: u64,
    doubled: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Acked, and not there.
    pub(crate) lost: u64,
    /// There twice.
    pub(crate) doubled: u64,
    /// Other than what was sent, or elsewhere than it was acked to be.
    pub(crate) wrong: u64,
}

impl Found {
    pub(crate) fn add(&mut self, other: Found) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
    }

    pub(crate) fn broken(self) -> bool {
        self != Found::default()
    }
}

impl Reading<'_> {
    /// One of its events.
    pub(crate) fn see(&mut self, event: &Event) {
        if event.kind != "message" {
            return;
        }
        match self.book.find(event) {
            Some(counter) => self.doubled += u64::from(std::mem::replace(&mut self.seen[counter as usize], true)),
            None => self.wrong += 1,
        }
    }

    /// All of it was read.
    pub(crate) fn found(self) -> Found {
        let acks = self.book.acks();
        let lost = acks.iter().zip(&self.seen).filter(|(acked, seen)| **acked != 0 && !**seen).count() as u64;
        Found { lost, doubled: self.doubled, wrong: self.wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, text: String) -> Event {
        Event { seq, text, kind: "message".into(), ..Event::default() }
    }

    #[test]
    fn finds_what_is_lost_doubled_and_wrong() {
        let book = Book::new(Texts { seed: 1, room: 7, bytes: 100 });
        for seq in [2, 3, 4] {
            book.acked(book.next(), seq);
        }
        assert_eq!((book.next(), book.count()), (3, 3));
        let mut whole = book.reading();
        (0..4).for_each(|number| whole.see(&event(number + 2, book.texts.of(number))));
        assert_eq!(whole.found(), Found::default(), "what nobody heard of may be there");
        let mut bad = book.reading();
        bad.see(&event(2, book.texts.of(0)));
        bad.see(&event(2, book.texts.of(0)));
        bad.see(&event(9, book.texts.of(1)));
        bad.see(&event(3, book.texts.of(1).replace('a', "b").replace('c', "d")));
        bad.see(&event(5, "what is this?".into()));
        bad.see(&event(5, Texts { room: 8, ..book.texts }.of(0)));
        let found = bad.found();
        assert_eq!(found, Found { lost: 2, doubled: 1, wrong: 4 });
        assert!(found.broken());
    }
}
