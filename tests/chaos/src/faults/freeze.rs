//! All of a node's threads stand still at once, as in a virtual machine that is moved: no signal reaches them, not even one that
//! kills.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind =
    Kind { name: "freeze", lane: Lane::Disturb, needs: Needs::Node, seconds: 1..=15, draw: |_, _| Box::new(Freeze) };

/// How long the kernel may take: a thread that waits for the disk stands still after that.
const STANDS: Duration = Duration::from_secs(5);

struct Freeze;

impl Fault for Freeze {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let pid = slot.process.pid().context("it has just ended")?;
        slot.cgroup.freeze()?;
        Ok(if rig.wait(STANDS, || slot.cgroup.is_frozen(pid).is_ok_and(|frozen| frozen)) {
            Outcome::Installed(slot.name.clone())
        } else {
            Outcome::Indeterminate(format!("{} does not stand still", slot.name))
        })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.cgroup.thaw()
    }
}
