//! Keeps machines running, as an orchestrator does: starts processes that ended, and replaces those that are lost.

use std::{collections::BTreeMap, time::Duration};

use hansard_domain::{
    meta::{MetaView, NodeState},
    placement::REPLICAS,
};
use hansard_storage::Store;
use rand::{Rng, rngs::StdRng};
use turmoil::Sim;

use crate::{
    evidence,
    findings::{Findings, take_panics},
    layout::{FOUNDERS, NODES, node_name},
    machine::Machine,
    operator::Orders,
    seed::Plan,
    trace::note,
};

/// How often the cluster's state is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct Keeper {
    /// The machines.
    pub(crate) machines: Vec<Machine>,
    /// What the operator is asked for.
    pub(crate) orders: Orders,
    findings: Findings,
    rng: StdRng,
    /// Who is down, and when it starts again.
    down: BTreeMap<usize, Duration>,
    /// Whose id each data directory had: an id is never used again.
    ids: BTreeMap<u64, (usize, u64)>,
    looked: Duration,
    view: Option<MetaView>,
}

impl Keeper {
    /// Machines that were not switched on yet are down until their time comes.
    pub(crate) fn new(plan: &Plan, machines: Vec<Machine>, orders: Orders, findings: Findings) -> Self {
        let (rng, down, ids) = (plan.rng("keeper", 0), BTreeMap::new(), BTreeMap::new());
        Self { machines, orders, findings, rng, down, ids, looked: Duration::ZERO, view: None }
    }

    /// Switches a machine on at a time.
    pub(crate) fn start_at(&mut self, node: usize, at: Duration) {
        self.down.insert(node, at);
    }

    /// Machines whose process runs.
    pub(crate) fn up(&self) -> Vec<usize> {
        (0..NODES).filter(|node| !self.down.contains_key(node)).collect()
    }

    /// The stores of all processes.
    pub(crate) fn stores(&self) -> Vec<(usize, Store)> {
        self.machines.iter().filter_map(|machine| Some((machine.index, machine.store()?))).collect()
    }

    /// Ends a process; it starts again at `back`.
    pub(crate) fn end(&mut self, sim: &mut Sim<'_>, node: usize, power: bool, back: Duration) {
        let dice = self.rng.random();
        self.machines[node].end(sim, power, dice);
        self.down.insert(node, back);
    }

    /// Takes a machine's data away for good, and tells the operator.
    pub(crate) fn lose(&mut self, sim: &mut Sim<'_>, node: usize, back: Duration) {
        if !self.down.contains_key(&node) {
            self.end(sim, node, false, back);
        }
        self.down.insert(node, back);
        let id = self.machines[node].state().id;
        self.orders.borrow_mut().gone.extend(id);
        self.machines[node].renew();
    }

    /// Whether one node's data may be lost now: all shards are whole, and no other data is lost or damaged.
    pub(crate) fn may_lose(&self) -> bool {
        let Some(view) = &self.view else { return false };
        let lost = self
            .orders
            .borrow()
            .gone
            .iter()
            .any(|id| view.nodes.get(id).is_some_and(|node| node.state != NodeState::Decommissioned));
        let leaving = view.nodes.values().any(|node| node.state == NodeState::Decommissioning);
        let damaged = self.machines.iter().any(|machine| machine.state().damaged);
        let active = view.nodes.values().filter(|node| node.state == NodeState::Active).count();
        let whole = view.places().all(|place| place.voters.len() >= REPLICAS);
        !lost && !leaving && !damaged && active >= FOUNDERS && whole
    }

    /// Looks after everything.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.see_panics(sim, now);
        for node in self.up() {
            self.see_to(sim, node, now);
        }
        let due: Vec<usize> = self.down.iter().filter(|(_, at)| **at <= now).map(|(node, _)| *node).collect();
        for node in due {
            self.down.remove(&node);
            note(&format!("node{node} starts"));
            sim.bounce(node_name(node));
        }
        if now >= self.looked + LOOK {
            self.looked = now;
            self.look(sim, now);
        }
    }

    /// Everything is to run from now on, on sound disks.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>, now: Duration) {
        for node in 0..NODES {
            self.machines[node].mend_disk();
            let mut state = self.machines[node].state();
            state.slow = false;
            let damaged = state.damaged;
            drop(state);
            if damaged {
                note(&format!("node{node} is replaced, as its data is damaged"));
                self.lose(sim, node, now);
            }
        }
        self.down.values_mut().for_each(|at| *at = (*at).min(now));
        self.orders.borrow_mut().calm = true;
    }

    fn see_to(&mut self, sim: &mut Sim<'_>, node: usize, now: Duration) {
        let machine = &self.machines[node];
        let (doomed, refused, damaged) = {
            let state = machine.state();
            (state.doomed.is_some(), state.refused.clone(), state.damaged)
        };
        if !doomed && machine.disk().struck() + machine.engine().struck() > 0 {
            self.findings.add("ends_on_errors", &format!("node{node} goes on after its disk has failed"));
            let back = now + self.pause();
            self.end(sim, node, false, back);
        } else if let Some(why) = refused {
            if !damaged {
                self.findings.add("refuses_damage_only", &format!("node{node} does not start: {why}"));
            }
            note(&format!("node{node} is replaced: {why}"));
            let back = now + self.pause();
            self.lose(sim, node, back);
        } else if doomed {
            let back = now + self.pause();
            self.end(sim, node, false, back);
        }
    }

    /// In production a panic ends its process. On sound data there is none.
    fn see_panics(&mut self, sim: &mut Sim<'_>, now: Duration) {
        for (host, what) in take_panics() {
            let machine = self.machines.iter().find(|machine| node_name(machine.index) == host).cloned();
            let damaged = machine.as_ref().is_some_and(|machine| machine.state().damaged);
            if !damaged {
                self.findings.add("no_panics", &format!("{host}: {what}"));
            }
            note(&format!("PANIC on {host}: {what}"));
            if let Some(machine) = machine.filter(|machine| !self.down.contains_key(&machine.index)) {
                let back = now + self.pause();
                self.end(sim, machine.index, false, back);
            }
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(100..2_000))
    }

    fn look(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.see_ids();
        self.view = evidence::view(&self.stores()).or_else(|| self.view.take());
        let Some(view) = &self.view else { return };
        let retired = |machine: &&Machine| machine.state().id.is_some_and(|id| is(view, id, NodeState::Decommissioned));
        let retired: Vec<usize> = self.machines.iter().filter(retired).map(|machine| machine.index).collect();
        for node in retired {
            note(&format!("node{node} is decommissioned; it comes back with an empty disk"));
            let back = now + self.pause();
            if !self.down.contains_key(&node) {
                self.end(sim, node, false, back);
            }
            self.down.insert(node, back);
            self.machines[node].renew();
        }
    }

    fn see_ids(&mut self) {
        for machine in &self.machines {
            let state = machine.state();
            let Some(id) = state.id else { continue };
            let owner = (machine.index, state.generation);
            if *self.ids.entry(id).or_insert(owner) != owner {
                self.findings.add("ids_never_reused", &format!("node{} has id {id}, which was in use", machine.index));
            }
        }
    }
}

fn is(view: &MetaView, id: u64, state: NodeState) -> bool {
    view.nodes.get(&id).is_some_and(|node| node.state == state)
}
