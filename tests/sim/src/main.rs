//! The whole stack in one process under deterministic simulation: nodes, routers and clients, the real gRPC and consensus,
//! on a simulated network, simulated disks and simulated clocks. A seed decides everything, faults included.
//!
//! `hansard-sim --seeds 50` runs many seeds, a process each; `hansard-sim --seed 7` replays one and prints what happens.

#[cfg(feature = "seeded-bugs")]
mod bugs;
mod clock;
mod cluster;
mod evidence;
mod faults;
mod findings;
mod history;
mod invariants;
mod keeper;
mod layout;
mod leaders;
mod lying;
mod machine;
mod net;
mod operator;
mod os;
mod recovery;
mod run;
mod runner;
mod seed;
mod tokens;
mod told;
mod trace;
mod watchdog;
mod workload;

use std::{fs::File, process::ExitCode, thread};

use anyhow::{Context, Result, bail};

/// Deep enough for the futures of nine hosts.
const STACK: usize = 64 << 20;

#[derive(Default)]
struct Args {
    seed: Option<u64>,
    seeds: Option<u64>,
    first: u64,
    jobs: Option<usize>,
    quiet: bool,
    lying: bool,
    #[cfg(feature = "seeded-bugs")]
    bug: Option<String>,
    #[cfg(feature = "seeded-bugs")]
    bugs: bool,
    trace: Option<String>,
}

const USAGE: &str =
    "usage: hansard-sim --seeds N [--first SEED] [--jobs N] | --seed SEED [--quiet] [--lying-disks] [--trace FILE]";

fn parse() -> Result<Args> {
    let mut args = Args::default();
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().context(USAGE);
        match flag.as_str() {
            "--seed" => args.seed = Some(value()?.parse()?),
            "--seeds" => args.seeds = Some(value()?.parse()?),
            "--first" => args.first = value()?.parse()?,
            "--jobs" => args.jobs = Some(value()?.parse()?),
            "--trace" => args.trace = Some(value()?),
            "--quiet" => args.quiet = true,
            "--lying-disks" => args.lying = true,
            #[cfg(feature = "seeded-bugs")]
            "--bug" => args.bug = Some(value()?),
            #[cfg(feature = "seeded-bugs")]
            "--bugs" => args.bugs = true,
            _ => bail!(USAGE),
        }
    }
    Ok(args)
}

fn main() -> Result<ExitCode> {
    let args = parse()?;
    let jobs = args.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    #[cfg(feature = "seeded-bugs")]
    if args.bugs {
        return Ok(verdict(bugs::hunt_all(args.first, args.seeds.unwrap_or(bugs::SEEDS), jobs)?));
    }
    let well = match (args.seed, args.seeds) {
        (Some(seed), None) => replay(seed, args)?,
        (None, Some(seeds)) => runner::run(args.first, seeds, jobs)?,
        _ => bail!(USAGE),
    };
    Ok(verdict(well))
}

fn verdict(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, args: Args) -> Result<bool> {
    let file = args.trace.map(File::create).transpose()?;
    #[cfg(feature = "seeded-bugs")]
    if let Some(name) = &args.bug {
        bugs::plant(name)?;
    }
    watchdog::start(seed);
    os::seize(seed);
    findings::watch_panics();
    let simulation = thread::Builder::new().stack_size(STACK).spawn(move || {
        trace::begin(!args.quiet, file);
        run::run(seed, args.lying)
    })?;
    let Ok(report) = simulation.join() else {
        findings::take_panics().iter().for_each(|(host, what)| println!("VIOLATION no_panics: {host}: {what}"));
        bail!("a panic ended the simulation");
    };
    let report = report?;
    if args.quiet {
        report.violations.iter().for_each(|violation| println!("VIOLATION {violation}"));
    }
    let kinds: Vec<String> = report.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("faults: {}", kinds.join(", "));
    println!(
        "seed={seed} trace={:016x} lines={} sim_ms={} faults={} acked={}/{} {} violations={}",
        report.hash,
        report.lines,
        report.elapsed.as_millis(),
        report.faults.values().sum::<usize>(),
        report.acked.0,
        report.acked.1,
        report.recovered,
        report.violations.len(),
    );
    Ok(report.violations.is_empty())
}
