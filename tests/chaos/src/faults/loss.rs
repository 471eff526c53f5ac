//! A fifth of the packets from and to a node is lost.

use std::slice::from_ref;

use anyhow::Result;
use rand::Rng;

use super::cut::Cut;
use super::{Fault, Kind, Lane, Outcome, both_ways, two};
use crate::claims::Needs;
use crate::host::network::Filter;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "loss",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 3..=15,
    draw: |dice, seconds| Box::new(Loss { pick: dice.random(), seconds, cut: Cut::new(Filter::Lossy) }),
};

struct Loss {
    pick: u32,
    seconds: u64,
    cut: Cut,
}

impl Fault for Loss {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let [node, _] = two(rig, self.pick);
        let others: Vec<String> = rig.addresses().into_iter().map(|(_, address)| address).collect();
        let pairs = both_ways(from_ref(&node.address), &others);
        self.cut.install(rig, pairs, self.seconds, node.name.clone())
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        self.cut.undo();
        Ok(())
    }
}
