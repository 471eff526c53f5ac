//! A node's disk takes few writes a second.

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "slow_disk",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(SlowDisk { writes: dice.random_range(10..=60), device: String::new() }),
};

struct SlowDisk {
    /// Per second.
    writes: u64,
    device: String,
}

impl Fault for SlowDisk {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        self.device = slot.volume.device()?;
        slot.cgroup.limit_writes(&self.device, self.writes)?;
        Ok(Outcome::Installed(format!("{}: {} writes/s", slot.name, self.writes)))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        match self.device.is_empty() {
            true => Ok(()),
            false => only(rig, nodes)?.cgroup.limit_writes(&self.device, 0),
        }
    }
}
