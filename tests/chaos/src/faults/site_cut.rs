//! A site is cut off from the others, routers and all.

use anyhow::Result;
use rand::Rng;

use super::cut::Cut;
use super::{Fault, Kind, Lane, Outcome, both_ways};
use crate::claims::Needs;
use crate::host::network::{Filter, SITES};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "site_cut",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 3..=12,
    draw: |dice, seconds| Box::new(SiteCut { pick: dice.random(), seconds, cut: Cut::new(Filter::Cut) }),
};

struct SiteCut {
    pick: u32,
    seconds: u64,
    cut: Cut,
}

impl Fault for SiteCut {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let site = self.pick as usize % SITES.len();
        let (inside, outside): (Vec<_>, Vec<_>) = rig.addresses().into_iter().partition(|(at, _)| *at == site);
        let [inside, outside] = [inside, outside].map(|side| side.into_iter().map(|(_, a)| a).collect::<Vec<_>>());
        self.cut.install(rig, both_ways(&inside, &outside), self.seconds, SITES[site].to_owned())
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        self.cut.undo();
        Ok(())
    }
}
