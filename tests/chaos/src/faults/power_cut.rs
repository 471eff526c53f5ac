//! One node loses its power: what it had not synced is gone.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "power_cut",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 0..=8,
    draw: |_, _| Box::new(PowerCut),
};

struct PowerCut;

impl Fault for PowerCut {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.volume.cut_power()?;
        slot.process.kill()?;
        slot.volume.boot()?;
        Ok(Outcome::Installed(slot.name.clone()))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.process.start()
    }
}
