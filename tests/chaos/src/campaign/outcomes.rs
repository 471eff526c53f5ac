//! What came of damages: a table.

use std::collections::BTreeMap;

use crate::damage::{Manner, Target};

/// What came of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// All is there.
    Unharmed,
    /// The state is an older one, and the log holds all that is missing.
    Replayed,
    /// It was not opened, and left as it was.
    Refused,
    /// The process ended when it read what is damaged.
    Ended,
    /// What must not be.
    Wrong,
}

const NAMES: [(Outcome, &str); 5] = [
    (Outcome::Unharmed, "unharmed"),
    (Outcome::Replayed, "replayed"),
    (Outcome::Refused, "refused"),
    (Outcome::Ended, "ended when read"),
    (Outcome::Wrong, "WRONG"),
];

/// How often each damage had each outcome.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<(&'static str, Manner), BTreeMap<Outcome, u64>>,
}

impl Table {
    pub(super) fn note(&mut self, target: &Target, manner: Manner, outcome: Outcome) {
        *self.rows.entry((target.name, manner)).or_default().entry(outcome).or_default() += 1;
    }

    /// All of them.
    pub(super) fn count(&self) -> u64 {
        self.rows.values().flat_map(BTreeMap::values).sum()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sums: BTreeMap<Outcome, u64> = BTreeMap::new();
        for ((target, manner), counts) in &self.rows {
            counts.iter().for_each(|(outcome, count)| *sums.entry(*outcome).or_default() += count);
            let manner = format!("{manner:?}").to_lowercase();
            writeln!(out, "  {target:<12} {manner:<9} {}", said(counts))?;
        }
        writeln!(out, "corruptions={}: {}", self.count(), said(&sums))
    }
}

fn said(counts: &BTreeMap<Outcome, u64>) -> String {
    let of = |(outcome, name)| format!("{:>4} {name}", counts.get(outcome).copied().unwrap_or(0), name = name);
    NAMES.iter().map(|(outcome, name)| of((outcome, name))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::TARGETS;

    #[test]
    fn outcomes_are_counted() {
        let mut table = Table::default();
        table.note(&TARGETS[0], Manner::Flip, Outcome::Refused);
        table.note(&TARGETS[0], Manner::Flip, Outcome::Refused);
        table.note(&TARGETS[1], Manner::Zero, Outcome::Wrong);
        assert_eq!(table.count(), 3);
        let text = table.to_string();
        assert!(text.ends_with("2 refused,    0 ended when read,    1 WRONG\n"), "{text}");
    }
}
