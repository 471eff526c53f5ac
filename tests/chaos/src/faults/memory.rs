//! A node gets no more memory than it has now: its page cache goes, and if that is not enough, the kernel ends it.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind =
    Kind { name: "memory", lane: Lane::Disturb, needs: Needs::Node, seconds: 4..=15, draw: |_, _| Box::new(Memory) };

/// How much the bound is lowered at a time, bytes.
const STEP: u64 = 4 << 20;

struct Memory;

impl Fault for Memory {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let used = slot.cgroup.memory_used()?;
        // Down until the kernel finds nothing more to reclaim.
        let mut bound = None;
        let mut next = used;
        while next > STEP && slot.cgroup.limit_memory(Some(next)).is_ok() {
            bound = Some(next);
            next -= STEP;
        }
        let Some(bound) = bound else {
            return Ok(Outcome::Indeterminate(format!("{}: {} MiB could not be bounded", slot.name, used >> 20)));
        };
        let before = slot.cgroup.memory_refused()?;
        // Far more than there can be left: pages for it must be taken from the node. It may be ended, or end the node: that is felt, too.
        slot.write_beside("bs=1M count=16 conv=fsync")?;
        let refused = slot.cgroup.memory_refused()? - before;
        let what = format!("{}: {} of {} MiB; {refused} times there was no more", slot.name, bound >> 20, used >> 20);
        Ok(if refused > 0 { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.cgroup.limit_memory(None)
    }
}
