//! One seed, from an empty cluster to the verdict.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use turmoil::{Builder, Sim};

use crate::{
    cluster::{self, NODES, NodeHost},
    evidence::Replica,
    faults::Faults,
    history::History,
    invariants, os,
    seed::Plan,
    tokens,
    trace::{self, note},
    workload::{self, CLIENTS, ROOMS, client_name},
};

/// The simulation's grain.
const TICK: Duration = Duration::from_millis(2);
/// How long founding the cluster and creating the rooms may take, without any fault.
const START: Duration = Duration::from_secs(60);
/// How long after the start there are faults.
const FAULTS: Duration = Duration::from_secs(25);
/// How long after the heal every client may take to learn all outcomes.
const LIVENESS: Duration = Duration::from_secs(60);
/// How long nothing is under way before replicas are compared.
const QUIET: Duration = Duration::from_secs(4);
/// How long replicas may take to be equal, and followers to reach the end.
const CATCH_UP: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The trace's hash.
    pub(crate) hash: u64,
    /// Lines of the trace.
    pub(crate) lines: u64,
    /// Sends that were acked, and all.
    pub(crate) acked: (usize, usize),
    /// Faults.
    pub(crate) faults: usize,
    /// Simulated time.
    pub(crate) elapsed: Duration,
    /// What is wrong.
    pub(crate) violations: Vec<String>,
}

/// A run under way.
struct Run<'a> {
    sim: Sim<'a>,
    nodes: Vec<NodeHost>,
    history: History,
}

/// Runs a seed in this thread, which must be new: see [`os::seize`]. `lying`: on disks that don't sync.
pub(crate) fn run(seed: u64, lying: bool) -> Result<Report> {
    let plan = Plan { lying, ..Plan::new(seed) };
    let jwks = write_jwks()?;
    let mut builder = Builder::new();
    builder
        .rng_seed(plan.derive("network", 0))
        .epoch(UNIX_EPOCH + Duration::from_secs(os::EPOCH_S))
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3_600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(plan.latency_ms))
        .tcp_capacity(4_096)
        .enable_random_order();
    let mut sim = builder.build();
    let nodes = cluster::build(&mut sim, &plan, &jwks);
    let history = History::default();
    for index in 0..CLIENTS {
        sim.client(client_name(index), workload::run(index, seed, history.clone()));
    }
    let mut run = Run { sim, nodes, history };
    let outcome = run.play(&plan);
    let (acked, sent) = run.history.with(|inner| {
        let acked = inner.sent.iter().filter(|sent| matches!(sent.outcome, Some(crate::history::Outcome::Acked(_))));
        (acked.count(), inner.sent.len())
    });
    let elapsed = run.sim.elapsed();
    // A run that does not come to its end is a violation, too.
    let (faults, violations) = match outcome {
        Ok(faults) => (faults, run.verdict()?),
        Err(error) => (0, vec![format!("liveness: {error:#}")]),
    };
    violations.iter().for_each(|violation| note(&format!("VIOLATION {violation}")));
    let (hash, lines) = trace::end();
    Ok(Report { hash, lines, acked: (acked, sent), faults, elapsed, violations })
}

fn write_jwks() -> Result<PathBuf> {
    let path = std::env::temp_dir().join("hansard-sim-jwks.json");
    if !std::fs::read_to_string(&path).is_ok_and(|found| found == tokens::jwks()) {
        // Many processes do so at once: a rename shows none of them a half.
        let own = path.with_extension(std::process::id().to_string());
        std::fs::write(&own, tokens::jwks()).context("writing the key set")?;
        std::fs::rename(&own, &path)?;
    }
    Ok(path)
}

impl Run<'_> {
    fn play(&mut self, plan: &Plan) -> Result<usize> {
        self.until("all rooms exist", START, |run| Ok(run.history.with(|inner| inner.rooms.len() == ROOMS)))?;
        let start = self.sim.elapsed();
        let mut faults = Faults::new(plan, start);
        while self.sim.elapsed() < start + FAULTS {
            let now = self.sim.elapsed();
            faults.step(&mut self.sim, &self.nodes, now);
            self.step()?;
        }
        faults.heal(&mut self.sim);
        self.until("all outcomes are known", LIVENESS, |run| {
            Ok(run.history.with(|inner| inner.senders_done == CLIENTS))
        })?;
        let quiet = self.sim.elapsed() + QUIET;
        while self.sim.elapsed() < quiet {
            self.step()?;
        }
        self.until("all replicas are equal", CATCH_UP, |run| run.replicas_equal())?;
        let heads = self.heads()?;
        note(&format!("all replicas are equal: {heads:?}"));
        self.history.with(|inner| inner.heads = Some(heads));
        let mut done = false;
        let until = self.sim.elapsed() + CATCH_UP;
        while !done {
            ensure!(self.sim.elapsed() < until, "followers did not reach the end within {CATCH_UP:?}");
            done = self.step()?;
        }
        Ok(faults.count)
    }

    fn step(&mut self) -> Result<bool> {
        let done = self.sim.step().map_err(|error| anyhow!("a host failed: {error}"))?;
        os::set_elapsed(self.sim.elapsed());
        trace::set_now(self.sim.elapsed());
        Ok(done)
    }

    fn until(&mut self, what: &str, within: Duration, mut is: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let until = self.sim.elapsed() + within;
        for step in 0u64.. {
            if step.is_multiple_of(64) && is(self)? {
                break;
            }
            ensure!(self.sim.elapsed() < until, "it was not reached within {within:?} that {what}");
            self.step()?;
        }
        Ok(())
    }

    fn replicas_equal(&self) -> Result<bool> {
        let heads: Vec<_> =
            self.nodes.iter().filter_map(NodeHost::store).map(|store| Replica::heads(&store)).collect::<Result<_>>()?;
        Ok(heads.len() == NODES && heads.iter().all(|other| *other == heads[0]))
    }

    fn replicas(&self) -> Result<Vec<Replica>> {
        self.nodes.iter().map(|node| Replica::read(&node.store().context("a node is down")?)).collect()
    }

    fn heads(&self) -> Result<BTreeMap<String, u64>> {
        let replica = self.replicas()?.swap_remove(0);
        Ok(replica.rooms.into_iter().map(|(room, entries)| (room, entries.len() as u64)).collect())
    }

    fn verdict(&self) -> Result<Vec<String>> {
        let replicas = self.replicas()?;
        Ok(self.history.with(|inner| invariants::check(inner, &replicas)))
    }
}
