//! Faults, one after the other and several at a time, drawn from the seed; each is undone after a while.

mod disks;
mod links;
mod processes;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{Rng, rngs::StdRng};
use turmoil::Sim;

use crate::{
    keeper::Keeper,
    layout::{NODES, ROUTERS},
    seed::Plan,
    trace::note,
};

/// Something that is broken, and will be mended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    Router(usize),
    Cut(String, String),
    OneWay(String, String),
    Held(String, String),
    Slow(String, String),
    SlowDisk(usize),
    BadDisk(usize),
}

/// Breaks things, and mends them.
pub(crate) struct Faults {
    rng: StdRng,
    next: Duration,
    broken: BTreeSet<(Duration, Broken)>,
    latency: Duration,
    /// The next fault cuts the power of all nodes.
    blackout_due: bool,
    /// How many of each kind there were.
    pub(crate) kinds: BTreeMap<&'static str, usize>,
}

impl Faults {
    /// Faults that begin at `from`.
    pub(crate) fn new(plan: &Plan, from: Duration) -> Self {
        let latency = Duration::from_millis(plan.latency_ms);
        let (rng, broken, kinds) = (plan.rng("faults", 0), BTreeSet::new(), BTreeMap::new());
        Self { rng, next: from, broken, latency, blackout_due: false, kinds }
    }

    /// Mends what is due, and breaks something if it is time.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        while let Some((until, _)) = self.broken.first()
            && *until <= now
        {
            let (_, broken) = self.broken.pop_first().expect("there is a first");
            self.mend(sim, keeper, &broken);
        }
        if now >= self.next {
            self.next = now + Duration::from_millis(self.rng.random_range(200..2_200));
            self.inject(sim, keeper, now);
        }
    }

    /// Mends everything, for good.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        note("heal");
        for (_, broken) in std::mem::take(&mut self.broken) {
            self.mend(sim, keeper, &broken);
        }
        keeper.heal(sim, now);
    }

    fn inject(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        if std::mem::take(&mut self.blackout_due) {
            return self.black_out(sim, keeper, now);
        }
        match self.rng.random_range(0..100) {
            0..20 => self.crash(sim, keeper, now),
            20..25 => self.black_out(sim, keeper, now),
            25..33 => self.crash_router(sim, now),
            33..36 => self.lose(sim, keeper, now),
            36..44 => self.cut_site(sim, now),
            44..66 => self.break_link(sim, now),
            66..71 => self.shift_clock(keeper),
            71..81 => self.fail_disk(keeper, now),
            81..85 => self.fill_disk(keeper, now),
            85..90 => self.slow_disk(keeper, now),
            _ => self.damage(sim, keeper, now),
        }
    }

    fn length(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(100..5_000))
    }

    fn count(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// A process that runs, if this one does.
    fn some_node(&mut self, keeper: &Keeper) -> Option<usize> {
        let node = self.rng.random_range(0..NODES);
        keeper.up().contains(&node).then_some(node)
    }

    fn break_until(&mut self, until: Duration, broken: Broken, kind: &'static str) {
        note(&format!("FAULT {broken:?} until {:.3}", until.as_secs_f64()));
        self.broken.insert((until, broken));
        self.count(kind);
    }

    fn is_broken(&self, broken: &Broken) -> bool {
        self.broken.iter().any(|(_, other)| other == broken)
    }

    fn mend(&self, sim: &mut Sim<'_>, keeper: &Keeper, broken: &Broken) {
        note(&format!("MEND {broken:?}"));
        match broken {
            Broken::Router(router) => sim.bounce(crate::layout::router_name(*router)),
            Broken::Cut(a, b) => sim.repair(a.as_str(), b.as_str()),
            Broken::OneWay(a, b) => sim.repair_oneway(a.as_str(), b.as_str()),
            Broken::Held(a, b) => sim.release(a.as_str(), b.as_str()),
            Broken::Slow(a, b) => sim.set_link_max_message_latency(a.as_str(), b.as_str(), self.latency),
            Broken::SlowDisk(node) => keeper.machines[*node].state().slow = false,
            Broken::BadDisk(node) => keeper.machines[*node].mend_disk(),
        }
    }

    fn crash_router(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let (router, until) = (self.rng.random_range(0..ROUTERS), now + self.length());
        if self.is_broken(&Broken::Router(router)) {
            return;
        }
        sim.crash(crate::layout::router_name(router));
        self.break_until(until, Broken::Router(router), "router ended");
    }

    /// A node's clock is set forward or back.
    fn shift_clock(&mut self, keeper: &Keeper) {
        let (node, by) = (self.rng.random_range(0..NODES), self.rng.random_range(-30_000_000..30_000_000));
        note(&format!("FAULT the clock of node{node} jumps by {by} us"));
        keeper.machines[node].clock.jump(by);
        self.count("clock jumped");
    }
}
