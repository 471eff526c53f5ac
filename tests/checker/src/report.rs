//! What is wrong, counted by kind, with the first examples of each.

use std::collections::BTreeMap;
use std::fmt;

/// Examples that are kept of each kind.
const EXAMPLES: usize = 5;

/// Kinds of violations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// An acked send is not in the record.
    Lost,
    /// A send is in the record more than once.
    Doubled,
    /// An acked send is at another seq than was told, or an order that clients could see is not that of the record.
    Reordered,
    /// The record has a message that nobody sent, that says something else, or that was refused.
    Phantom,
    /// Seqs of a room or indexes of a record are not 1, 2, 3 and so on, or times run backwards.
    Gap,
    /// A subscriber missed something, or got it twice, changed, or out of order.
    Stream,
    /// Two replicas of a shard differ, or one is missing.
    Replica,
    /// A root is not that of the leaves.
    Tree,
}

/// All that was found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    counts: BTreeMap<Violation, u64>,
    examples: Vec<(Violation, String)>,
}

impl Report {
    /// Counts a violation; `what` is called only if it is to be kept.
    pub(crate) fn add(&mut self, violation: Violation, what: impl FnOnce() -> String) {
        let count = self.counts.entry(violation).or_default();
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.examples.push((violation, what()));
        }
    }

    /// How many of a kind.
    pub fn count(&self, violation: Violation) -> u64 {
        self.counts.get(&violation).copied().unwrap_or(0)
    }

    /// How many that are neither lost, doubled, reordered nor phantom messages.
    pub fn others(&self) -> u64 {
        use Violation::{Doubled, Lost, Phantom, Reordered};
        self.total() - [Lost, Doubled, Reordered, Phantom].map(|violation| self.count(violation)).iter().sum::<u64>()
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The first ones of each kind.
    pub fn examples(&self) -> &[(Violation, String)] {
        &self.examples
    }

    pub(crate) fn merge(&mut self, other: Report) {
        for (violation, count) in other.counts {
            *self.counts.entry(violation).or_default() += count;
        }
        self.examples.extend(other.examples);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (violation, what) in &self.examples {
            writeln!(f, "{violation:?}: {what}")?;
        }
        for (violation, count) in self.counts.iter().filter(|(_, count)| **count > EXAMPLES as u64) {
            writeln!(f, "{violation:?}: {count} in all")?;
        }
        Ok(())
    }
}
