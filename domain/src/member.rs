//! A person's membership of a room: the role, and which stretches of the room the person may see.

use crate::limits::MAX_INTERVALS;
use crate::room::Role;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// Seqs that a person may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    /// The first.
    pub from: u64,
    /// The last; none while the membership lasts.
    pub to: Option<u64>,
}

/// A person's membership, past or present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The role; of one who is not a member any more, the last one.
    pub role: Role,
    /// The entry that made the person a member.
    pub since: u64,
    /// Removed by somebody, and not invited since.
    pub removed: bool,
    /// What the person may see: ascending, not overlapping, at most 64, only the last one without an end.
    pub intervals: Vec<Interval>,
}

impl Member {
    /// A new member who sees everything from `from` on.
    pub fn new(role: Role, since: u64, from: u64) -> Self {
        Self { role, since, removed: false, intervals: vec![Interval { from, to: None }] }
    }

    /// Whether the person is a member now.
    pub fn is_current(&self) -> bool {
        self.intervals.last().is_some_and(|i| i.to.is_none())
    }

    /// Whether the person may see this seq.
    pub fn sees(&self, seq: u64) -> bool {
        self.intervals.iter().any(|i| i.from <= seq && i.to.is_none_or(|to| seq <= to))
    }

    /// The newest seq that the person may know of, in a room with this head.
    pub fn visible_head(&self, head: u64) -> u64 {
        self.intervals.last().map_or(0, |i| i.to.unwrap_or(head))
    }

    /// Makes a former member a member again, who sees everything from `from` on, and what was seen before.
    pub(crate) fn come_back(&mut self, role: Role, since: u64, from: u64) {
        assert!(!self.is_current(), "a member can't come in twice");
        self.role = role;
        self.since = since;
        self.removed = false;
        self.intervals.retain(|i| i.from < from);
        if self.intervals.len() == MAX_INTERVALS {
            self.intervals.remove(0);
        }
        self.intervals.push(Interval { from, to: None });
    }

    /// Ends the membership; its last visible seq is `seq`.
    pub(crate) fn end(&mut self, seq: u64, removed: bool) {
        let last = self.intervals.last_mut().expect("a member has an interval");
        assert!(last.to.is_none() && last.from <= seq, "only a present membership ends");
        last.to = Some(seq);
        self.removed = removed;
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_u8(self.role.number());
        out.put_u8(u8::from(self.removed));
        out.put_varint(self.since);
        out.put_varint(self.intervals.len() as u64);
        for interval in &self.intervals {
            out.put_varint(interval.from);
            out.put_varint(interval.to.unwrap_or(0));
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "member row");
        r.version(VERSION)?;
        let role = Role::from_number(r.u8()?).ok_or(r.malformed())?;
        let removed = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(r.malformed()),
        };
        let since = r.varint()?;
        let count = r.count(MAX_INTERVALS)?;
        let mut intervals = Vec::with_capacity(count);
        for _ in 0..count {
            let from = r.varint()?;
            let to = Some(r.varint()?).filter(|to| *to != 0);
            intervals.push(Interval { from, to });
        }
        r.end()?;
        Ok(Self { role, since, removed, intervals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sight_ends_with_the_membership_and_old_sight_is_kept() {
        let mut member = Member::new(Role::Member, 3, 3);
        member.end(7, true);
        assert!(!member.sees(2) && member.sees(3) && member.sees(7) && !member.sees(8));
        assert_eq!(member.visible_head(20), 7);
        member.come_back(Role::Guest, 12, 12);
        assert!(member.sees(5) && !member.sees(9) && member.sees(12) && !member.removed);
        let mut row = Vec::new();
        member.encode_to(&mut row);
        assert_eq!(Member::decode(&row), Ok(member));
    }

    #[test]
    fn coming_back_to_all_history_is_one_interval() {
        let mut member = Member::new(Role::Member, 3, 1);
        member.end(7, false);
        member.come_back(Role::Member, 9, 1);
        assert_eq!(member.intervals, [Interval { from: 1, to: None }]);
    }

    #[test]
    fn intervals_are_bounded() {
        let mut member = Member::new(Role::Member, 1, 1);
        for spell in 1..200 {
            member.end(spell * 10 + 1, false);
            member.come_back(Role::Member, spell * 10 + 5, spell * 10 + 5);
            assert!(member.intervals.len() <= MAX_INTERVALS && member.is_current());
        }
        assert!(!member.sees(1));
    }
}
