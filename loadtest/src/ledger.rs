//! What was sent and acked, compared with what is there.

use serde::Serialize;

/// A message under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// Its number among those of the publisher.
    pub(crate) counter: u64,
    /// Where it goes: an index into the publisher's rooms.
    pub(crate) room: usize,
    /// The highest seq acked to this publisher in the room before this message was sent.
    floor: u64,
}

/// What is known of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The seq that was acked; 0 if none was.
    acked: u64,
    /// The seq at which it was read back; 0 if it was not.
    seen: u64,
}

/// Everything that one publisher sent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    slots: Vec<Slot>,
    /// Per room of the publisher: the highest acked seq, and the highest counter read back.
    floors: Vec<u64>,
    read: Vec<Option<u64>>,
    reordered: u64,
    duplicated: u64,
    misplaced: u64,
    overtaken: u64,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    /// Acked, and not there.
    pub(crate) lost: u64,
    /// There more than once.
    pub(crate) duplicated: u64,
    /// Sent after another was acked to the same publisher in the same room, and yet before it.
    pub(crate) reordered: u64,
    /// There, but not at the seq that was acked.
    pub(crate) misplaced: u64,
    /// Never acked nor refused, and there; allowed, once.
    pub(crate) unknown_committed: u64,
    /// In another order than they were handed to the client while both were under way; allowed after a retry.
    pub(crate) overtaken: u64,
}

impl Findings {
    /// Whether a promise was broken.
    pub(crate) fn broken(&self) -> bool {
        self.lost + self.duplicated + self.reordered + self.misplaced > 0
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.misplaced += other.misplaced;
        self.unknown_committed += other.unknown_committed;
        self.overtaken += other.overtaken;
    }
}

impl Ledger {
    /// For a publisher with so many rooms, which it sends to in turn.
    pub(crate) fn new(rooms: usize) -> Self {
        Self { floors: vec![0; rooms], read: vec![None; rooms], ..Self::default() }
    }

    /// A message is about to be sent.
    pub(crate) fn send(&mut self) -> Ticket {
        let counter = self.slots.len() as u64;
        let room = self.slots.len() % self.floors.len();
        self.slots.push(Slot::default());
        Ticket { counter, room, floor: self.floors[room] }
    }

    /// It was acked.
    pub(crate) fn acked(&mut self, ticket: Ticket, seq: u64) {
        self.reordered += u64::from(seq <= ticket.floor);
        self.slots[ticket.counter as usize].acked = seq;
        let floor = &mut self.floors[ticket.room];
        *floor = seq.max(*floor);
    }

    /// A message was read back from one of the publisher's rooms; each room is read in order. Returns whether it was sent.
    pub(crate) fn seen(&mut self, room: usize, counter: u64, seq: u64) -> bool {
        let Some(slot) = self.slots.get_mut(counter as usize) else {
            return false;
        };
        let elsewhere = counter as usize % self.floors.len() != room;
        if slot.seen != 0 {
            self.duplicated += 1;
            return true;
        }
        slot.seen = seq;
        self.misplaced += u64::from(elsewhere || slot.acked != 0 && slot.acked != seq);
        let last = &mut self.read[room];
        self.overtaken += u64::from(last.is_some_and(|last| last > counter));
        *last = Some(last.map_or(counter, |last| last.max(counter)));
        true
    }

    /// What was found when everything is read back.
    pub(crate) fn findings(&self) -> Findings {
        let count = |wrong: fn(&Slot) -> bool| self.slots.iter().filter(|slot| wrong(slot)).count() as u64;
        Findings {
            lost: count(|slot| slot.acked != 0 && slot.seen == 0),
            duplicated: self.duplicated,
            reordered: self.reordered,
            misplaced: self.misplaced,
            unknown_committed: count(|slot| slot.acked == 0 && slot.seen != 0),
            overtaken: self.overtaken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four messages to one room, acked at seqs 2 to 5 one after the other, and read back.
    fn whole() -> (Ledger, Vec<Ticket>) {
        let mut ledger = Ledger::new(1);
        let tickets = (2..=5).map(|seq| {
            let ticket = ledger.send();
            ledger.acked(ticket, seq);
            ticket
        });
        let tickets = tickets.collect();
        (ledger, tickets)
    }

    fn read(ledger: &mut Ledger, seen: &[(u64, u64)]) -> Findings {
        for (counter, seq) in seen {
            assert!(ledger.seen(0, *counter, *seq));
        }
        ledger.findings()
    }

    #[test]
    fn finds_nothing_where_nothing_is_wrong() {
        let (mut ledger, _) = whole();
        assert_eq!(read(&mut ledger, &[(0, 2), (1, 3), (2, 4), (3, 5)]), Findings::default());
        assert!(!ledger.seen(0, 99, 6), "what was never sent is not ours");
    }

    #[test]
    fn finds_a_lost_one() {
        let (mut ledger, _) = whole();
        let found = read(&mut ledger, &[(0, 2), (2, 4), (3, 5)]);
        assert!(found.broken() && found == Findings { lost: 1, ..Findings::default() }, "{found:?}");
    }

    #[test]
    fn finds_a_doubled_one() {
        let (mut ledger, _) = whole();
        let found = read(&mut ledger, &[(0, 2), (1, 3), (2, 4), (3, 5), (1, 6)]);
        assert!(found.broken() && found == Findings { duplicated: 1, ..Findings::default() }, "{found:?}");
    }

    #[test]
    fn finds_one_that_is_elsewhere() {
        let (mut ledger, _) = whole();
        let found = read(&mut ledger, &[(0, 2), (1, 3), (2, 5), (3, 6)]);
        assert_eq!(found, Findings { misplaced: 2, ..Findings::default() });
    }

    #[test]
    fn finds_one_that_was_sent_later_and_stands_before() {
        let mut ledger = Ledger::new(1);
        let first = ledger.send();
        ledger.acked(first, 7);
        let second = ledger.send();
        ledger.acked(second, 6);
        let found = read(&mut ledger, &[(1, 6), (0, 7)]);
        assert!(found.broken());
        assert_eq!(found, Findings { reordered: 1, overtaken: 1, ..Findings::default() });
    }

    #[test]
    fn messages_under_way_together_may_take_any_order() {
        let mut ledger = Ledger::new(1);
        let (first, second) = (ledger.send(), ledger.send());
        ledger.acked(first, 7);
        ledger.acked(second, 6);
        let found = read(&mut ledger, &[(1, 6), (0, 7)]);
        assert!(!found.broken());
        assert_eq!(found.overtaken, 1);
    }

    #[test]
    fn rooms_are_compared_each_by_itself() {
        let mut ledger = Ledger::new(2);
        let (first, second) = (ledger.send(), ledger.send());
        assert_eq!((first.room, second.room), (0, 1));
        ledger.acked(first, 90);
        ledger.acked(second, 2);
        assert!(ledger.seen(0, 0, 90) && ledger.seen(1, 1, 2));
        assert_eq!(ledger.findings(), Findings::default());
    }

    #[test]
    fn an_unknown_outcome_may_be_there_once() {
        let mut ledger = Ledger::new(1);
        ledger.send();
        ledger.send();
        let found = read(&mut ledger, &[(0, 2)]);
        assert!(!found.broken());
        assert_eq!(found.unknown_committed, 1);
        assert!(ledger.seen(0, 0, 3));
        assert_eq!(ledger.findings().duplicated, 1);
    }
}
