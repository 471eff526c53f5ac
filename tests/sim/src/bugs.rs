//! Planted bugs: each is hunted with one seed after the other until an invariant catches it.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow};
use hansard_domain::bug::{self, Bug};

use crate::told::violations;

/// How many seeds a bug may take to be caught: the rarest is in one of some twenty.
pub(crate) const SEEDS: u64 = 100;

/// Bugs that the simulation may miss, as something else stands behind what they break; and the suite that catches them.
const ELSEWHERE: [(Bug, &str); 1] =
    [(Bug::DamageCutsLog, "storage/tests/damage.rs: the state knows what the log held")];

/// Plants a bug in this process.
pub(crate) fn plant(name: &str) -> Result<()> {
    let known = || Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
    let found = Bug::ALL.iter().find(|bug| bug.name() == name);
    bug::choose(*found.ok_or_else(|| anyhow!("there is no bug {name:?}, but {}", known()))?);
    Ok(())
}

/// How a bug was caught.
struct Caught {
    seed: u64,
    invariants: String,
}

/// Hunts every bug, and prints who caught it; true if all were caught that are not left to another suite.
pub(crate) fn hunt_all(first: u64, seeds: u64, jobs: usize) -> Result<bool> {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::SeqCst)) {
                let caught = hunt(*bug, first, seeds)?;
                eprintln!("{} is {}", bug.name(), if caught.is_some() { "caught" } else { "not caught" });
                rows.lock().unwrap_or_else(PoisonError::into_inner).push((*bug, caught));
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("workers don't panic"))
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(bug, _)| *bug as u8);
    println!("{:<28} {:<60} {:>6} {:>6}", "bug", "caught by", "seed", "seeds");
    for (bug, caught) in &rows {
        match caught {
            Some(Caught { seed, invariants }) => {
                println!("{:<28} {invariants:<60} {seed:>6} {:>6}", bug.name(), seed - first + 1)
            }
            None => {
                println!("{:<28} {:<60} {:>6} {seeds:>6}", bug.name(), elsewhere(*bug).unwrap_or("NOT CAUGHT"), "-")
            }
        }
    }
    let (caught, missed): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, caught)| caught.is_some());
    let elsewhere = missed.iter().filter(|(bug, _)| elsewhere(*bug).is_some()).count();
    println!("seeded bugs={} caught={} elsewhere={elsewhere}", rows.len(), caught.len());
    Ok(elsewhere == missed.len())
}

fn elsewhere(bug: Bug) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(other, _)| *other == bug).map(|(_, suite)| *suite)
}

fn hunt(bug: Bug, first: u64, seeds: u64) -> Result<Option<Caught>> {
    for seed in first..first + seeds {
        if let Some(invariants) = violated(bug, seed)? {
            return Ok(Some(Caught { seed, invariants }));
        }
    }
    Ok(None)
}

/// The invariants that a seed violates with a bug, as it tells. One that fails and tells of none has caught nothing.
fn violated(bug: Bug, seed: u64) -> Result<Option<String>> {
    let own = std::env::current_exe().context("finding this program")?;
    let run = Command::new(own).args(["--seed", &seed.to_string(), "--quiet", "--bug", bug.name()]).output();
    let run = run.context("starting a simulation")?;
    if run.status.success() {
        return Ok(None);
    }
    let violations = violations(&run);
    let names: BTreeSet<&str> = violations.iter().filter_map(|violation| violation.split(':').next()).collect();
    if names.is_empty() {
        let errors = String::from_utf8_lossy(&run.stderr);
        let last = errors.lines().last().unwrap_or("nothing");
        eprintln!("{}: seed {seed} ended with {} and no violation, and said: {last}", bug.name(), run.status);
        return Ok(None);
    }
    Ok(Some(names.into_iter().collect::<Vec<&str>>().join(", ")))
}
