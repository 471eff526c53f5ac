//! What a run came to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hansard_checker::{Summary, Violation};

use crate::faults::Outcome;

/// How the faults of one kind went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    installed: u64,
    skipped: u64,
    indeterminate: u64,
}

/// How all faults went.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    kinds: Mutex<BTreeMap<&'static str, Count>>,
}

impl Faults {
    pub(crate) fn note(&self, kind: &'static str, outcome: &Outcome) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kinds.entry(kind).or_default();
        match outcome {
            Outcome::Installed(_) => count.installed += 1,
            Outcome::Skipped(_) => count.skipped += 1,
            Outcome::Indeterminate(_) => count.indeterminate += 1,
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, Count> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A line for each kind.
    pub(crate) fn table(&self) -> String {
        let line = |(kind, count): (&str, Count)| {
            let Count { installed, skipped, indeterminate } = count;
            format!("  {kind:<14} {installed:>4} installed, {skipped} skipped, {indeterminate} indeterminate\n")
        };
        self.counts().into_iter().map(line).collect()
    }

    /// The last line, and whether the run has passed. `failures`: whatever else must not have happened.
    pub(crate) fn verdict(&self, checked: &Summary, failures: usize, allowed: &[String]) -> (String, bool) {
        let counts = self.counts();
        let sum = |of: fn(&Count) -> u64| counts.values().map(of).sum::<u64>();
        let installed = sum(|count| count.installed);
        let planned = sum(|count| count.installed + count.skipped + count.indeterminate);
        let is_allowed = |kind: &str| allowed.iter().any(|name| name == kind);
        let forbidden = counts.iter().filter(|(kind, _)| !is_allowed(kind));
        let skipped: u64 = forbidden.clone().map(|(_, count)| count.skipped).sum();
        let idle = forbidden.filter(|(_, count)| count.installed == 0).count();
        let of = |violation| checked.report.count(violation);
        let line = format!(
            "chaos acked={} faults_installed={installed}/{planned} skipped={skipped} lost={} doubled={} reordered={} phantom={}",
            checked.acked,
            of(Violation::Lost),
            of(Violation::Doubled),
            of(Violation::Reordered),
            of(Violation::Phantom),
        );
        let passed = skipped == 0 && idle == 0 && failures == 0 && checked.report.total() == 0 && checked.acked > 0;
        (line, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked() -> Summary {
        Summary { acked: 10, ..Summary::default() }
    }

    #[test]
    fn passes_only_when_every_kind_took_hold_and_nothing_failed() {
        let faults = Faults::default();
        faults.note("kill", &Outcome::Installed(String::new()));
        let (line, passed) = faults.verdict(&checked(), 0, &[]);
        assert_eq!(line, "chaos acked=10 faults_installed=1/1 skipped=0 lost=0 doubled=0 reordered=0 phantom=0");
        assert!(passed);
        assert!(!faults.verdict(&checked(), 1, &[]).1);
        assert!(!faults.verdict(&Summary::default(), 0, &[]).1);
        faults.note("loss", &Outcome::Indeterminate(String::new()));
        assert!(!faults.verdict(&checked(), 0, &[]).1);
        faults.note("loss", &Outcome::Installed(String::new()));
        assert!(faults.verdict(&checked(), 0, &[]).1);
        faults.note("clock", &Outcome::Skipped(String::new()));
        let (line, passed) = faults.verdict(&checked(), 0, &[]);
        assert!(line.contains("faults_installed=2/4 skipped=1") && !passed, "{line}");
        assert!(faults.verdict(&checked(), 0, &["clock".to_owned()]).1);
    }
}
