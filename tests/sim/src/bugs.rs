//! Planted bugs: each is hunted with one seed after the other until an invariant catches it.

use std::{
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow};
use hansard_domain::bug::{self, Bug};

/// How many seeds a bug may take to be caught.
pub(crate) const SEEDS: u64 = 40;

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

/// Hunts every bug, and prints who caught it; true if all were caught.
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
    let caught = rows.iter().filter(|(bug, caught)| caught.is_some() || elsewhere(*bug).is_some()).count();
    println!("seeded bugs={} caught={caught}", rows.len());
    Ok(caught == rows.len())
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

/// The invariants that a seed violates with a bug.
fn violated(bug: Bug, seed: u64) -> Result<Option<String>> {
    let own = std::env::current_exe().context("finding this program")?;
    let run = Command::new(own).args(["--seed", &seed.to_string(), "--quiet", "--bug", bug.name()]).output();
    let run = run.context("starting a simulation")?;
    if run.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&run.stdout);
    let names = said.lines().filter_map(|line| line.strip_prefix("VIOLATION ")?.split(':').next());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    // A panic while another one unwinds ends the process before it can say more.
    Ok(Some(if names.is_empty() { "no_panics".to_owned() } else { names.join(", ") }))
}
