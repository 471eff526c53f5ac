//! A node gets little of a core: it is not lost, only slow in all that it does.

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "cpu",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=12,
    draw: |dice, _| Box::new(Cpu { percent: dice.random_range(5..=20) }),
};

struct Cpu {
    /// Of one core.
    percent: u64,
}

impl Fault for Cpu {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.cgroup.limit_cpu(Some(self.percent))?;
        let before = slot.cgroup.cpu_throttled()?;
        // What a quiet node does may fit into its share. This does not: it shares with the node, and takes several periods.
        slot.write_beside("bs=1M count=64")?;
        let throttled = slot.cgroup.cpu_throttled()? - before;
        let what = format!("{}: {} % of a core; it had to wait {throttled} times", slot.name, self.percent);
        Ok(if throttled > 0 { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.cgroup.limit_cpu(None)
    }
}
