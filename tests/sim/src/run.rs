//! One seed, from an empty cluster to the verdict.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use turmoil::{Builder, Sim};

use crate::{
    cluster,
    evidence::{self, Evidence},
    faults::Faults,
    findings::Findings,
    history::History,
    invariants,
    keeper::Keeper,
    layout::{CLIENTS, FOUNDERS, OPERATOR, client_name},
    leaders,
    operator::{self, Orders},
    os,
    recovery::Recovery,
    seed::Plan,
    tokens,
    trace::{self, note},
    workload,
};

/// The simulation's grain.
const TICK: Duration = Duration::from_millis(2);
/// How long founding the cluster and entering the rooms may take, without any fault.
const START: Duration = Duration::from_secs(60);
/// How long after the start there are faults.
const FAULTS: Duration = Duration::from_secs(25);
/// How long a run may take from the heal until all have done what they had in mind, and as long again until lost nodes are replaced.
const LIVENESS: Duration = Duration::from_secs(120);
/// Steps between two looks at what takes long to look at.
const LOOK: u64 = 64;
/// How long nothing is under way before replicas are compared.
const QUIET: Duration = Duration::from_secs(4);
/// How long replicas may take to be equal, and followers to reach the end.
const CATCH_UP: Duration = Duration::from_secs(30);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The trace's hash.
    pub(crate) hash: u64,
    /// Lines of the trace.
    pub(crate) lines: u64,
    /// Deeds that were acked, and all.
    pub(crate) acked: (usize, usize),
    /// Faults by kind.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    /// How long it took after the heal until all was well.
    pub(crate) recovered: String,
    /// Simulated time.
    pub(crate) elapsed: Duration,
    /// What is wrong.
    pub(crate) violations: Vec<String>,
}

/// A run under way.
struct Run<'a> {
    sim: Sim<'a>,
    keeper: Keeper,
    orders: Orders,
    history: History,
    findings: Findings,
    recovery: Option<Recovery>,
    steps: u64,
}

/// Runs a seed in this thread, which must be new: see [`os::seize`]. `lying`: on disks that don't sync.
pub(crate) fn run(seed: u64, lying: bool) -> Result<Report> {
    let plan = Plan { lying, ..Plan::new(seed) };
    let jwks = write_jwks()?;
    let mut sim = builder(&plan).build();
    let (findings, history, orders) = (Findings::default(), History::default(), Orders::default());
    let machines = cluster::build(&mut sim, &plan, &jwks, &findings);
    for index in 0..CLIENTS {
        sim.client(client_name(index), workload::run(index, seed, history.clone()));
    }
    sim.client(OPERATOR, operator::run(seed, Rc::clone(&orders)));
    let mut keeper = Keeper::new(&plan, machines, Rc::clone(&orders), findings.clone());
    for (number, _) in plan.switched_on.iter().enumerate() {
        keeper.start_at(FOUNDERS + number, Duration::MAX);
    }
    let mut run = Run { sim, keeper, orders, history, findings, recovery: None, steps: 0 };
    let mut faults = BTreeMap::new();
    // A run that does not come to its end is a violation, too.
    let stuck = run.play(&plan, &mut faults).err().map(|error| format!("liveness: {error:#}"));
    let late = run.recovery.iter().flat_map(Recovery::late).map(|late| format!("liveness: {late}"));
    let judged = run.verdict().unwrap_or_else(|error| vec![format!("evidence: {error:#}")]);
    let mut violations: Vec<String> = stuck.into_iter().chain(late).chain(judged).collect();
    violations.iter().for_each(|violation| note(&format!("VIOLATION {violation}")));
    violations.splice(0..0, run.findings.all());
    let acked = run.history.with(|inner| {
        let acked = inner.done.iter().filter(|done| done.acked().is_some());
        (acked.count(), inner.done.len())
    });
    let elapsed = run.sim.elapsed();
    let (hash, lines) = trace::end();
    let recovered = run.recovery.map_or_else(String::new, |recovery| recovery.to_string());
    Ok(Report { hash, lines, acked, faults, recovered, elapsed, violations })
}

fn builder(plan: &Plan) -> Builder {
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
    builder
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
    fn play(&mut self, plan: &Plan, kinds: &mut BTreeMap<&'static str, usize>) -> Result<()> {
        self.until("everybody is in the rooms", START, |run| Ok(run.history.with(|inner| inner.entered == CLIENTS)))?;
        let start = self.sim.elapsed();
        for (number, after) in plan.switched_on.iter().enumerate() {
            self.keeper.start_at(FOUNDERS + number, start + *after);
        }
        let mut faults = Faults::new(plan, start);
        while self.sim.elapsed() < start + FAULTS {
            let now = self.sim.elapsed();
            faults.step(&mut self.sim, &mut self.keeper, now);
            self.step()?;
        }
        let now = self.sim.elapsed();
        faults.heal(&mut self.sim, &mut self.keeper, now);
        self.recovery = Some(Recovery::begin(now));
        *kinds = std::mem::take(&mut faults.kinds);
        self.until("all outcomes are known", LIVENESS, |run| {
            Ok(run.history.with(|inner| inner.clients_done.len() == CLIENTS))
        })?;
        self.until("the cluster is whole", LIVENESS, |run| Ok(run.orders.borrow().content))?;
        let quiet = self.sim.elapsed() + QUIET;
        while self.sim.elapsed() < quiet {
            self.step()?;
        }
        self.until("all replicas are equal, and vote as they are placed", CATCH_UP, |run| {
            evidence::is_settled(&run.keeper.stores())
        })?;
        let heads = self.heads()?;
        note(&format!("all replicas are equal: {heads:?}"));
        self.history.with(|inner| inner.heads = Some(heads));
        let mut done = false;
        let until = self.sim.elapsed() + CATCH_UP;
        while !done {
            ensure!(self.sim.elapsed() < until, "followers did not reach the end within {CATCH_UP:?}");
            done = self.step()?;
        }
        // A leadership that was handed over meanwhile has left an entry that not every replica may have yet.
        self.until("they still are, and do", CATCH_UP, |run| evidence::is_settled(&run.keeper.stores()))
    }

    fn step(&mut self) -> Result<bool> {
        let done = self.sim.step().map_err(|error| anyhow!("a host failed: {error}"))?;
        let now = self.sim.elapsed();
        os::set_elapsed(now);
        trace::set_now(now);
        self.keeper.step(&mut self.sim, now);
        self.steps += 1;
        if let Some(recovery) = self.recovery.as_mut().filter(|_| self.steps.is_multiple_of(LOOK)) {
            self.history.with(|inner| recovery.look(now, inner, &self.keeper));
        }
        leaders::take_disputes().iter().for_each(|dispute| self.findings.add("one_leader", dispute));
        Ok(done)
    }

    fn until(&mut self, what: &str, within: Duration, mut is: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let until = self.sim.elapsed() + within;
        for step in 0u64.. {
            if step.is_multiple_of(LOOK) && is(self)? {
                break;
            }
            ensure!(self.sim.elapsed() < until, "it was not reached within {within:?} that {what}");
            self.step()?;
        }
        Ok(())
    }

    fn evidence(&self) -> Result<Evidence> {
        let people: Vec<String> = self.history.with(|inner| inner.people.values().cloned().collect());
        Evidence::read(&self.keeper.stores(), &people)
    }

    fn heads(&self) -> Result<BTreeMap<String, u64>> {
        let rooms = self.evidence()?.rooms;
        Ok(rooms.into_iter().map(|(room, held)| (room, held.entries.len() as u64)).collect())
    }

    fn verdict(&self) -> Result<Vec<String>> {
        let evidence = self.evidence()?;
        Ok(self.history.with(|inner| invariants::check(inner, &evidence)))
    }
}
