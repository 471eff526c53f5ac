//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hansard_checker::{Summary, Violation};

use crate::drill::quantile;
use crate::faults::Outcome;

/// For how long rooms may take no messages after a kill of their leader, p99.
const MISSED: Duration = Duration::from_secs(2);
/// Replicas must be equal so soon after the last fault is healed.
const EQUAL: Duration = Duration::from_secs(30);

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

    /// The verdict. `failures`: whatever else must not have happened; `allowed`: kinds that need not take hold.
    pub(crate) fn verdict(
        &self,
        checked: &Summary,
        recovery: &Recovery,
        failures: Vec<String>,
        allowed: &[String],
    ) -> Verdict {
        let counts = self.counts();
        let sum = |of: fn(&Count) -> u64| counts.values().map(of).sum::<u64>();
        let installed = sum(|count| count.installed);
        let planned = sum(|count| count.installed + count.skipped + count.indeterminate);
        let is_allowed = |kind: &str| allowed.iter().any(|name| name == kind);
        let forbidden = counts.iter().filter(|(kind, _)| !is_allowed(kind));
        let skipped: u64 = forbidden.clone().map(|(_, count)| count.skipped).sum();
        let of = |violation| checked.report.count(violation);
        let line = format!(
            "chaos acked={} faults_installed={installed}/{planned} skipped={skipped} lost={} doubled={} reordered={} phantom={}",
            checked.acked,
            of(Violation::Lost),
            of(Violation::Doubled),
            of(Violation::Reordered),
            of(Violation::Phantom),
        );
        let mut whys = failures;
        whys.extend(recovery.failures());
        for (kind, count) in forbidden {
            if count.skipped > 0 {
                whys.push(format!("{kind} could not be injected: {} skipped", count.skipped));
            }
            if count.installed == 0 {
                whys.push(format!("{kind} never took hold"));
            }
        }
        if checked.report.total() > 0 {
            whys.push(format!("the checker found {} violations", checked.report.total()));
        }
        if checked.acked == 0 {
            whys.push("nothing was acked".to_owned());
        }
        Verdict { line, whys }
    }
}

/// How soon the cluster was well again.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// For how long rooms took no messages after each kill of a leader, sorted.
    pub(crate) missed: Vec<Duration>,
    /// After the heal, until all replicas were equal.
    pub(crate) equal: Duration,
}

impl Recovery {
    /// For how long rooms took no messages: of a hundred kills all but the worst, of fewer the worst.
    fn missed_p99(&self) -> Duration {
        quantile(&self.missed, 0.99)
    }

    fn failures(&self) -> Vec<String> {
        let (p99, equal) = (self.missed_p99(), self.equal);
        let late = (p99 > MISSED).then(|| {
            format!("a lost leader was missed for {p99:?} (p99 of {} kills), of at most {MISSED:?}", self.missed.len())
        });
        let unequal = (equal > EQUAL)
            .then(|| format!("all replicas were equal {equal:.1?} after the heal, of at most {EQUAL:?}"));
        late.into_iter().chain(unequal).collect()
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "leader kills: {}; all rooms took messages again after p50 {:?}, p99 {:?}, at most {:?}",
            self.missed.len(),
            quantile(&self.missed, 0.5),
            self.missed_p99(),
            quantile(&self.missed, 1.0)
        )
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The last line that is printed.
    pub(crate) line: String,
    /// Why the run has failed; it has passed if there is nothing.
    pub(crate) whys: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked() -> Summary {
        Summary { acked: 10, ..Summary::default() }
    }

    /// Why a run fails in which nothing failed but faults.
    fn whys(faults: &Faults, allowed: &[&str]) -> Vec<String> {
        let allowed: Vec<String> = allowed.iter().map(|kind| (*kind).to_owned()).collect();
        faults.verdict(&checked(), &Recovery::default(), vec![], &allowed).whys
    }

    #[test]
    fn passes_only_when_every_kind_took_hold_and_nothing_failed() {
        let faults = Faults::default();
        faults.note("kill", &Outcome::Installed(String::new()));
        let verdict = faults.verdict(&checked(), &Recovery::default(), vec![], &[]);
        assert_eq!(
            verdict.line,
            "chaos acked=10 faults_installed=1/1 skipped=0 lost=0 doubled=0 reordered=0 phantom=0"
        );
        assert!(verdict.whys.is_empty());
        let failed = faults.verdict(&checked(), &Recovery::default(), vec!["a node went on".to_owned()], &[]);
        assert_eq!(failed.whys, ["a node went on"]);
        let idle = faults.verdict(&Summary::default(), &Recovery::default(), vec![], &[]);
        assert_eq!(idle.whys, ["nothing was acked"]);
        faults.note("loss", &Outcome::Indeterminate(String::new()));
        assert_eq!(whys(&faults, &[]), ["loss never took hold"]);
        faults.note("loss", &Outcome::Installed(String::new()));
        assert!(whys(&faults, &[]).is_empty());
    }

    #[test]
    fn a_skip_fails_the_run_unless_it_is_allowed() {
        let faults = Faults::default();
        faults.note("wipe", &Outcome::Installed(String::new()));
        faults.note("wipe", &Outcome::Skipped(String::new()));
        let verdict = faults.verdict(&checked(), &Recovery::default(), vec![], &[]);
        assert!(verdict.line.contains("faults_installed=1/2 skipped=1"), "{}", verdict.line);
        assert_eq!(verdict.whys, ["wipe could not be injected: 1 skipped"]);
        assert!(whys(&faults, &["wipe"]).is_empty());
        assert_eq!(whys(&faults, &["clock"]).len(), 1);
    }

    #[test]
    fn a_leader_is_replaced_within_two_seconds_and_replicas_are_equal_within_thirty() {
        let whys = |missed: &[u64], equal: u64| {
            let missed = missed.iter().map(|ms| Duration::from_millis(*ms)).collect();
            let recovery = Recovery { missed, equal: Duration::from_millis(equal) };
            Faults::default().verdict(&checked(), &recovery, vec![], &[]).whys
        };
        assert!(whys(&[], 30_000).is_empty());
        assert!(whys(&[50, 60, 70, 80, 2_000], 0).is_empty());
        // Of a few kills the longest counts, of a hundred the second longest.
        assert_eq!(
            whys(&[50, 60, 70, 80, 2_001], 0),
            ["a lost leader was missed for 2.001s (p99 of 5 kills), of at most 2s"]
        );
        let hundred: Vec<u64> = (1..100).chain([9_000]).collect();
        assert!(whys(&hundred, 0).is_empty());
        assert_eq!(whys(&[], 30_100), ["all replicas were equal 30.1s after the heal, of at most 30s"]);
    }
}
