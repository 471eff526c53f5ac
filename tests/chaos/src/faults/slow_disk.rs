//! A node's disk takes few writes a second.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;
use crate::slot::Slot;

pub(super) const KIND: Kind = Kind {
    name: "slow_disk",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(SlowDisk { writes: dice.random_range(10..=60), device: String::new() }),
};

/// They take half a second, but for what the kernel gives in advance.
const FELT: Duration = Duration::from_millis(250);

struct SlowDisk {
    /// Per second.
    writes: u64,
    device: String,
}

impl SlowDisk {
    /// How long half as many synced writes take as the disk may do in a second, beside the node's own.
    fn write_some(&self, slot: &Slot) -> Result<Duration> {
        let before = Instant::now();
        let written = slot.write_beside(&format!("bs=4k count={} oflag=dsync", self.writes / 2))?;
        ensure!(written, "writing to the disk of {} failed", slot.name);
        Ok(before.elapsed())
    }
}

impl Fault for SlowDisk {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        self.device = slot.volume.device()?;
        slot.cgroup.limit_writes(&self.device, self.writes)?;
        let took = self.write_some(slot)?;
        let what = format!("{}: {} writes/s; half as many took {took:.1?}", slot.name, self.writes);
        Ok(if took >= FELT { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        match self.device.is_empty() {
            true => Ok(()),
            false => only(rig, nodes)?.cgroup.limit_writes(&self.device, 0),
        }
    }
}
