//! Many seeds, a process each, some of them twice.

use std::{
    process::{Command, Output},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};

use crate::told::violations;

/// How many of so many seeds are run twice: 5 %, and at least three if there are as many.
fn twice(seeds: u64) -> u64 {
    (seeds * 5).div_ceil(100).max(3).min(seeds)
}

/// How it went.
#[derive(Default)]
struct Sum {
    passed: u64,
    rerun_equal: u64,
    violations: u64,
}

/// Runs `seeds` seeds from `first` on, `jobs` at a time; true if all is well.
pub(crate) fn run(first: u64, seeds: u64, jobs: usize) -> Result<bool> {
    let (next, sum) = (AtomicU64::new(first), Mutex::new(Sum::default()));
    thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= first + seeds {
                    return Ok(());
                }
                one(seed, seed - first < twice(seeds), &sum)?;
            }
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("workers don't panic"))
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Sum { passed, rerun_equal, violations } = sum;
    println!("sim seeds={seeds} passed={passed} rerun_equal={rerun_equal} violations={violations}");
    Ok(passed == seeds && rerun_equal == twice(seeds) && violations == 0)
}

fn one(seed: u64, twice: bool, sum: &Mutex<Sum>) -> Result<()> {
    let output = child(seed)?;
    let verdict = last_line(&output);
    let again = if twice { Some(last_line(&child(seed)?)) } else { None };
    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{verdict}");
    if output.status.success() {
        sum.passed += 1;
    } else {
        let violations = violations(&output);
        sum.violations += violations.len().max(1) as u64;
        violations.iter().for_each(|violation| println!("  VIOLATION {violation}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        errors.lines().take(12).for_each(|line| println!("  {line}"));
        println!("  replay it with `make sim SEED={seed}`");
    }
    match again {
        Some(again) if again == verdict => sum.rerun_equal += 1,
        Some(again) => println!("  the same seed again was different: {again}"),
        None => {}
    }
    Ok(())
}

fn child(seed: u64) -> Result<Output> {
    let own = std::env::current_exe().context("finding this program")?;
    Command::new(own).args(["--seed", &seed.to_string(), "--quiet"]).output().context("starting a simulation")
}

fn last_line(output: &Output) -> String {
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().last().unwrap_or("the simulation said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_in_twenty_is_run_twice_and_never_fewer_than_three() {
        let seeds = [1, 3, 50, 60, 61, 500, 50_000];
        assert_eq!(seeds.map(twice), [1, 3, 3, 3, 4, 25, 2_500]);
    }
}
