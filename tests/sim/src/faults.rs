//! Faults, one after the other and several at a time, drawn from the seed; each is undone after a while.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, rngs::StdRng};
use turmoil::Sim;

use crate::{
    cluster::{NODES, NodeHost, ROUTERS, node_name, router_name},
    seed::Plan,
    trace::note,
    workload::{CLIENTS, client_name},
};

/// Something that is broken, and how it is mended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    Node(usize),
    Router(usize),
    Cut(String, String),
    OneWay(String, String),
    Held(String, String),
    Slow(String, String),
}

/// Breaks things, and mends them.
pub(crate) struct Faults {
    rng: StdRng,
    next: Duration,
    broken: BTreeSet<(Duration, Broken)>,
    latency: Duration,
    /// Faults so far.
    pub(crate) count: usize,
}

impl Faults {
    /// Faults that begin at `from`.
    pub(crate) fn new(plan: &Plan, from: Duration) -> Self {
        let latency = Duration::from_millis(plan.latency_ms);
        Self { rng: plan.rng("faults", 0), next: from, broken: BTreeSet::new(), latency, count: 0 }
    }

    /// Mends what is due, and breaks something if it is time.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, nodes: &[NodeHost], now: Duration) {
        while let Some((until, _)) = self.broken.first()
            && *until <= now
        {
            let (_, broken) = self.broken.pop_first().expect("there is a first");
            self.mend(sim, &broken);
        }
        if now >= self.next {
            self.next = now + Duration::from_millis(self.rng.random_range(200..2_500));
            self.inject(sim, nodes, now);
        }
    }

    /// Mends everything, for good.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>) {
        note("heal");
        for (_, broken) in std::mem::take(&mut self.broken) {
            self.mend(sim, &broken);
        }
    }

    fn inject(&mut self, sim: &mut Sim<'_>, nodes: &[NodeHost], now: Duration) {
        match self.rng.random_range(0..100) {
            0..30 => {
                let node = self.rng.random_range(0..NODES);
                self.crash_node(sim, nodes, node, now);
            }
            30..35 => (0..NODES).for_each(|node| self.crash_node(sim, nodes, node, now)),
            35..48 => self.crash_router(sim, now),
            48..58 => {
                // A whole site: a node, from everybody else.
                let node = self.rng.random_range(0..NODES);
                let until = now + self.length();
                for other in everybody().into_iter().filter(|other| *other != node_name(node)) {
                    self.link(sim, Broken::Cut(node_name(node), other), until);
                }
            }
            roll => {
                let (a, b) = self.pair();
                let until = now + self.length();
                let broken = match roll {
                    58..70 => Broken::Cut(a, b),
                    70..80 => Broken::OneWay(a, b),
                    80..90 => Broken::Held(a, b),
                    _ => Broken::Slow(a, b),
                };
                self.link(sim, broken, until);
            }
        }
    }

    fn length(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(100..5_000))
    }

    fn pair(&mut self) -> (String, String) {
        let all = everybody();
        let a = self.rng.random_range(0..NODES + ROUTERS);
        let b = (a + self.rng.random_range(1..all.len())) % all.len();
        (all[a].clone(), all[b].clone())
    }

    fn crash_node(&mut self, sim: &mut Sim<'_>, nodes: &[NodeHost], node: usize, now: Duration) {
        let (power, dice, until) = (self.rng.random_bool(0.5), self.rng.random(), now + self.length());
        if self.broken.iter().any(|(_, broken)| *broken == Broken::Node(node)) {
            return;
        }
        note(&format!("FAULT crash node{node} {}", if power { "by a power cut" } else { "by a kill" }));
        nodes[node].crash(sim, power, dice);
        self.broken.insert((until, Broken::Node(node)));
        self.count += 1;
    }

    fn crash_router(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let (router, until) = (self.rng.random_range(0..ROUTERS), now + self.length());
        if self.broken.iter().any(|(_, broken)| *broken == Broken::Router(router)) {
            return;
        }
        note(&format!("FAULT crash router{router}"));
        sim.crash(router_name(router));
        self.broken.insert((until, Broken::Router(router)));
        self.count += 1;
    }

    /// Breaks a link, unless it is broken in some way already.
    fn link(&mut self, sim: &mut Sim<'_>, broken: Broken, until: Duration) {
        let ends = ends(&broken).expect("a fault of a link");
        let taken = |(_, other): &(Duration, Broken)| {
            self::ends(other).is_some_and(|other| other == ends || other == (ends.1, ends.0))
        };
        if self.broken.iter().any(taken) {
            return;
        }
        note(&format!("FAULT {broken:?} until {:.3}", until.as_secs_f64()));
        match &broken {
            Broken::Cut(a, b) => sim.partition(a.as_str(), b.as_str()),
            Broken::OneWay(a, b) => sim.partition_oneway(a.as_str(), b.as_str()),
            Broken::Held(a, b) => sim.hold(a.as_str(), b.as_str()),
            Broken::Slow(a, b) => {
                sim.set_link_max_message_latency(a.as_str(), b.as_str(), Duration::from_millis(800));
            }
            Broken::Node(_) | Broken::Router(_) => unreachable!("not of a link"),
        }
        self.broken.insert((until, broken));
        self.count += 1;
    }

    fn mend(&self, sim: &mut Sim<'_>, broken: &Broken) {
        note(&format!("MEND {broken:?}"));
        match broken {
            Broken::Node(node) => sim.bounce(node_name(*node)),
            Broken::Router(router) => sim.bounce(router_name(*router)),
            Broken::Cut(a, b) => sim.repair(a.as_str(), b.as_str()),
            Broken::OneWay(a, b) => sim.repair_oneway(a.as_str(), b.as_str()),
            Broken::Held(a, b) => sim.release(a.as_str(), b.as_str()),
            Broken::Slow(a, b) => sim.set_link_max_message_latency(a.as_str(), b.as_str(), self.latency),
        }
    }
}

fn ends(broken: &Broken) -> Option<(&String, &String)> {
    match broken {
        Broken::Node(_) | Broken::Router(_) => None,
        Broken::Cut(a, b) | Broken::OneWay(a, b) | Broken::Held(a, b) | Broken::Slow(a, b) => Some((a, b)),
    }
}

/// Nodes, routers, clients.
fn everybody() -> Vec<String> {
    let nodes = (0..NODES).map(node_name);
    nodes.chain((0..ROUTERS).map(router_name)).chain((0..CLIENTS).map(client_name)).collect()
}
