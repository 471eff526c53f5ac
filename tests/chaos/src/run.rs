//! A run, from an empty machine to the verdict.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hansard_checker::format::{Cluster, Kind};
use hansard_checker::{Summary, Writer, check_files};

use crate::args;
use crate::drill::drill;
use crate::host::clean::clean;
use crate::host::network;
use crate::load::Load;
use crate::progress::{Placement, equal};
use crate::rig::{Paths, Rig};
use crate::signals::Signals;
use crate::slot::{STOP, Slot};
use crate::verdict::{Faults, Recovery};
use crate::{campaign, scheduler, supervisor};

/// Replicas are waited for beyond the time that they may take to be equal, to say how long it took.
const EVENTUALLY: Duration = Duration::from_secs(180);
/// Another run on the same machine is waited for so long.
const TURN: Duration = Duration::from_secs(1_800);
/// The cluster works undisturbed before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);

/// Removes everything from the machine, however the run ends.
struct Tidy<'a>(&'a args::Place);

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        clean(&self.0.directory);
    }
}

/// Runs, and prints the verdict.
pub(crate) fn run(args: &args::Run) -> Result<ExitCode> {
    ensure!(rustix::process::geteuid().is_root(), "faults need root: namespaces, mounts, control groups");
    let _turn = take_turn()?;
    clean(&args.place.directory);
    let _tidy = Tidy(&args.place);
    let paths = Paths::make(&args.place.directory)?;
    let signals = Signals::listen()?;
    let seed = args.seed.unwrap_or_else(clock_seed);
    let rig = Rig::start(&args.hansard, paths, signals)?;
    println!(
        "chaos: seed {seed}, {} minutes, a fault every {} s; histories in {}",
        args.minutes,
        args.every,
        rig.paths.histories.display()
    );
    let done = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| supervisor::supervise(&rig, || done.load(Ordering::SeqCst)));
        let outcome = work(&rig, args, seed);
        done.store(true, Ordering::SeqCst);
        outcome
    });
    let (faults, recovery, placement) = outcome?;
    stop(&rig);
    let checked = check(&rig, &placement)?;
    print!("{}{}", faults.table(), checked.report);
    println!(
        "checked {} entries on {} replicas, {} events of subscribers; {} sends refused, {} unknown",
        checked.entries, checked.replicas, checked.events, checked.refused, checked.unknown
    );
    let verdict = faults.verdict(&checked, &recovery, rig.journal.failures(), &args.allow_skip);
    for why in &verdict.whys {
        println!("failed: {why}");
    }
    println!("{}", verdict.line);
    Ok(if verdict.whys.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run at a time on a machine: they share names and addresses.
fn take_turn() -> Result<std::fs::File> {
    let lock = std::fs::File::create("/run/hansard-chaos.lock")?;
    let until = Instant::now() + TURN;
    while lock.try_lock().is_err() {
        ensure!(Instant::now() < until, "another run has been under way for {TURN:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(lock)
}

/// Load, drills, faults, heal. How the faults went, how soon all was well again, and who votes where at the end.
fn work(rig: &Rig, args: &args::Run, seed: u64) -> Result<(Faults, Recovery, Placement)> {
    let mut load = Load::start(rig, args.rate)?;
    rig.journal.say("the cluster serves");
    rig.linger(WARM_UP);
    let drills = if args.campaign.is_some() { 0 } else { args.drills };
    let missed = drill(rig, &load, drills)?;
    let before = (Instant::now(), load.acked());
    let faults = match &args.campaign {
        Some(name) => campaign::run(rig, &load, args, seed, name)?,
        None => scheduler::run(rig, args, seed)?,
    };
    let rate = (load.acked() - before.1) as f64 / before.0.elapsed().as_secs_f64();
    rig.journal.say(format!("all faults are healed; {} sends were acked, {rate:.0}/s under faults", load.acked()));
    network::heal()?;
    let healed = Instant::now();
    load.finish_sending(rig)?;
    let (placement, equal) = converge(rig, healed)?;
    load.finish_following(rig)?;
    let recovery = Recovery { missed, equal };
    println!("{recovery}");
    if rig.stopping() {
        bail!("interrupted");
    }
    Ok((faults, recovery, placement))
}

/// Waits until all replicas are equal: who votes where then, and how long after the heal that was.
fn converge(rig: &Rig, healed: Instant) -> Result<(Placement, Duration)> {
    loop {
        match equal(rig) {
            Ok(placement) => {
                let took = healed.elapsed();
                rig.journal.say(format!("all replicas are equal {took:.1?} after the heal"));
                return Ok((placement, took));
            }
            Err(why) if healed.elapsed() > EVENTUALLY => return Err(why.context("replicas do not become equal")),
            Err(_) if rig.stopping() => bail!("interrupted"),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Stops all nodes at once, in order: their state is flushed.
fn stop(rig: &Rig) {
    std::thread::scope(|scope| {
        for slot in &rig.slots {
            scope.spawn(|| {
                if let Err(error) = slot.process.stop(STOP) {
                    rig.journal.fail(format!("{error:#}"));
                }
            });
        }
    });
}

/// Dumps the nodes that vote, and checks all histories.
fn check(rig: &Rig, placement: &Placement) -> Result<Summary> {
    let histories = &rig.paths.histories;
    let voters: BTreeSet<&String> = placement.values().flat_map(|(voters, _)| voters).collect();
    let voting: Vec<&Slot> = rig.slots.iter().filter(|slot| voters.contains(&slot.name)).collect();
    dump(rig, &voting)?;
    rig.journal.say("all records are dumped");
    let mut out = Writer::create(histories, Kind::Cluster, "end")?;
    for (id, (voters, entries)) in placement {
        let voters = voters.iter().map(String::as_str).collect();
        out.line(&Cluster::Shard { id, voters, entries: *entries })?;
    }
    out.finish()?;
    check_files(std::slice::from_ref(histories), 1).context("checking the histories")
}

/// Dumps nodes, as many at a time as there are cores: a dump of millions of entries takes one of them for minutes.
fn dump(rig: &Rig, nodes: &[&Slot]) -> Result<()> {
    let (next, program) = (AtomicUsize::new(0), std::env::current_exe()?);
    let work = &|| -> Result<()> {
        while let Some(slot) = nodes.get(next.fetch_add(1, Ordering::SeqCst)) {
            ensure!(!rig.stopping(), "interrupted");
            let mut dump = Command::new(&program);
            dump.args(["dump", "--name", &slot.name, "--data"]).arg(slot.data()).arg("--out").arg(&rig.paths.histories);
            ensure!(dump.process_group(0).status()?.success(), "{} could not be dumped", slot.name);
        }
        ensure!(!rig.stopping(), "interrupted");
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..std::thread::available_parallelism()?.get()).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("workers don't panic"))
    })
}

/// A seed that nobody asked for.
fn clock_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}
