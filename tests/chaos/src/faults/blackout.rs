//! All nodes lose their power at once.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "blackout",
    lane: Lane::Disturb,
    needs: Needs::Everything,
    seconds: 0..=3,
    draw: |_, _| Box::new(Blackout),
};

struct Blackout;

impl Fault for Blackout {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        // All disks first: no node may hear that another is gone and still write.
        for node in nodes {
            rig.slots[*node].volume.cut_power()?;
        }
        for node in nodes {
            rig.slots[*node].process.kill()?;
        }
        for node in nodes {
            rig.slots[*node].volume.boot()?;
        }
        Ok(Outcome::Installed(format!("{} nodes", nodes.len())))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        nodes.iter().try_for_each(|node| rig.slots[*node].process.start())
    }
}
