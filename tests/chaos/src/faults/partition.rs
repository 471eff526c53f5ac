//! Two nodes do not hear each other; both hear all others.

use std::slice::from_ref;

use anyhow::Result;
use rand::Rng;

use super::cut::Cut;
use super::{Fault, Kind, Lane, Outcome, both_ways, two};
use crate::claims::Needs;
use crate::host::network::Filter;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "partition",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 3..=15,
    draw: |dice, seconds| Box::new(Partition { pick: dice.random(), seconds, cut: Cut::new(Filter::Cut) }),
};

struct Partition {
    pick: u32,
    seconds: u64,
    cut: Cut,
}

impl Fault for Partition {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let [a, b] = two(rig, self.pick);
        let pairs = both_ways(from_ref(&a.address), from_ref(&b.address));
        self.cut.install(rig, pairs, self.seconds, format!("{} and {}", a.name, b.name))
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        self.cut.undo();
        Ok(())
    }
}
