//! Processes that end, with the power or without, and machines whose data is gone.

use std::time::Duration;

use rand::Rng;
use turmoil::Sim;

use super::{Broken, Faults};
use crate::{keeper::Keeper, trace::note};

impl Faults {
    /// One node's process ends.
    pub(super) fn crash(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        let (power, back) = (self.rng.random_bool(0.5), now + self.length());
        let Some(node) = self.some_node(keeper) else { return };
        note(&format!("FAULT node{node} ends {}", if power { "by a power cut" } else { "by a kill" }));
        keeper.end(sim, node, power, back);
        self.count(if power { "power cut" } else { "kill" });
    }

    /// All nodes lose their power at once, at times while their disks are slow.
    pub(super) fn black_out(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        if !self.broken.iter().any(|(_, broken)| matches!(broken, Broken::SlowDisk(_))) && self.rng.random() {
            let until = now + Duration::from_secs(2);
            for node in keeper.up() {
                keeper.machines[node].state().slow = true;
                self.break_until(until, Broken::SlowDisk(node), "slow disk");
            }
            // What was said meanwhile is on its way to all the disks when the power goes.
            self.next = now + Duration::from_millis(self.rng.random_range(200..1_500));
            self.blackout_due = true;
            return;
        }
        note("FAULT all nodes end by a power cut");
        for node in keeper.up() {
            let back = now + self.length();
            keeper.end(sim, node, true, back);
        }
        self.count("power cut of all");
    }

    /// One machine's data is gone; it comes back with an empty disk.
    pub(super) fn lose(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        let back = now + self.length();
        let Some(node) = self.some_node(keeper).filter(|_| keeper.may_lose()) else { return };
        note(&format!("FAULT node{node} loses its data"));
        keeper.lose(sim, node, back);
        self.count("data lost");
    }
}
