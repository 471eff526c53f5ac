//! A node's process is killed.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind =
    Kind { name: "kill", lane: Lane::Disturb, needs: Needs::Node, seconds: 0..=10, draw: |_, _| Box::new(Kill) };

struct Kill;

impl Fault for Kill {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.process.kill()?;
        Ok(Outcome::Installed(slot.name.clone()))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.process.start()
    }
}
