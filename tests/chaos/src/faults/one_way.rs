//! A node hears another, and is not heard by it.

use std::slice::from_ref;

use anyhow::Result;
use rand::Rng;

use super::cut::Cut;
use super::{Fault, Kind, Lane, Outcome, pairs, two};
use crate::claims::Needs;
use crate::host::network::Filter;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "one_way",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 3..=15,
    draw: |dice, seconds| Box::new(OneWay { pick: dice.random(), seconds, cut: Cut::new(Filter::Cut) }),
};

struct OneWay {
    pick: u32,
    seconds: u64,
    cut: Cut,
}

impl Fault for OneWay {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let [a, b] = two(rig, self.pick);
        let pairs = pairs(from_ref(&a.address), from_ref(&b.address));
        self.cut.install(rig, pairs, self.seconds, format!("from {} to {}", a.name, b.name))
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        self.cut.undo();
        Ok(())
    }
}
