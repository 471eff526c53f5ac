//! Which faults come, in which order: decks of all kinds, shuffled by the seed, so that each kind comes once before any
//! comes twice.

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::faults::{Fault, KINDS, Kind, Lane};

/// A fault that is to come.
pub(crate) struct Planned {
    pub(crate) kind: &'static Kind,
    /// How long it lasts.
    pub(crate) seconds: u64,
    /// From where a free place for it is looked for.
    pub(crate) first: usize,
    pub(crate) fault: Box<dyn Fault>,
}

/// The faults of a lane, without end.
pub(crate) struct Plan {
    dice: StdRng,
    kinds: Vec<&'static Kind>,
    deck: Vec<&'static Kind>,
    decks: u32,
}

impl Plan {
    /// The plan of a lane. `only`: these kinds; all if there are none.
    ///
    /// # Errors
    /// When a kind is not known.
    pub(crate) fn new(lane: Lane, seed: u64, only: &[String]) -> Result<Self> {
        for name in only {
            ensure!(KINDS.iter().any(|kind| kind.name == name), "there is no kind of fault called {name:?}");
        }
        static ALL: [Kind; KINDS.len()] = KINDS;
        let wanted = |kind: &&Kind| kind.lane == lane && (only.is_empty() || only.iter().any(|name| name == kind.name));
        let dice = StdRng::seed_from_u64(seed ^ lane as u64);
        Ok(Self { dice, kinds: ALL.iter().filter(wanted).collect(), deck: vec![], decks: 0 })
    }

    /// Whether each kind has come at least once.
    pub(crate) fn is_round(&self) -> bool {
        self.kinds.is_empty() || (self.decks > 0 && self.deck.is_empty()) || self.decks > 1
    }

    /// The next fault; `None` if there are no kinds in this lane.
    pub(crate) fn next(&mut self) -> Option<Planned> {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.kinds);
            self.deck.shuffle(&mut self.dice);
            self.decks += 1;
        }
        let kind = self.deck.pop()?;
        let seconds = self.dice.random_range(kind.seconds.clone());
        let first = self.dice.random_range(0..1_000);
        Some(Planned { kind, seconds, first, fault: (kind.draw)(&mut self.dice, seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_kinds_come_before_any_comes_twice_and_a_seed_gives_the_same_order() {
        for lane in [Lane::Disturb, Lane::Displace] {
            let mut plan = Plan::new(lane, 7, &[]).unwrap();
            let mut again = Plan::new(lane, 7, &[]).unwrap();
            let kinds = KINDS.iter().filter(|kind| kind.lane == lane).count();
            let mut seen = BTreeSet::new();
            for _ in 0..kinds {
                assert!(!plan.is_round());
                let planned = plan.next().unwrap();
                let same = again.next().unwrap();
                assert_eq!((planned.kind.name, planned.seconds), (same.kind.name, same.seconds));
                seen.insert(planned.kind.name);
            }
            assert!(plan.is_round() && seen.len() == kinds);
        }
        assert!(Plan::new(Lane::Disturb, 7, &["flood".to_owned()]).is_err());
    }
}
