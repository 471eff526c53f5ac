//! One kind of fault again and again, each as soon as the cluster is well after the one before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::args;
use crate::drill::quantile;
use crate::faults::KINDS;
use crate::load::Load;
use crate::plan::Plan;
use crate::progress::of_node;
use crate::rig::Rig;
use crate::scheduler::{Went, one};
use crate::verdict::Faults;

/// How long the cluster may take to be well.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs until there were so many faults, or the time is over.
pub(super) fn run(rig: &Rig, load: &Load, args: &args::Run, seed: u64, name: &str) -> Result<Faults> {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    let kind = kind.with_context(|| format!("there is no kind of fault called {name:?}"))?;
    let mut plan = Plan::new(kind.lane, seed, &[name.to_owned()])?;
    let until = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let (faults, mut times) = (Faults::default(), vec![]);
    while (times.len() as u64) < args.count && Instant::now() < until && !rig.ending() {
        let mut planned = plan.next().context("a plan of one kind has an end")?;
        // Only what must be: the next one is waiting.
        planned.seconds = *kind.seconds.start();
        if one(rig, &faults, planned) != Went::Well {
            break;
        }
        let Some(time) = recover(rig, load) else { break };
        times.push(time);
    }
    times.sort();
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
    println!(
        "{name}: {} times; the cluster was well again after p50 {p50:.1?}, p99 {p99:.1?}, at most {most:.1?}",
        times.len()
    );
    Ok(faults)
}

/// Waits until every node answers and every room has acked what was sent from now on; how long it took.
pub(super) fn recover(rig: &Rig, load: &Load) -> Option<Duration> {
    let healed = Instant::now();
    load.watch_from(rig.journal.now());
    let answers =
        || rig.slots.iter().filter(|slot| rig.claims.serves(slot.number)).all(|slot| of_node(&slot.address).is_ok());
    let well = rig.wait(PATIENCE, || load.all_rooms_took().is_some() && answers());
    if !well && !rig.stopping() {
        rig.journal.fail(format!("the cluster was not well within {PATIENCE:?}"));
    }
    well.then(|| healed.elapsed())
}
