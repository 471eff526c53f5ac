//! A node loses its disk: an operator gives it an empty one, a new node joins, and the old one is decommissioned.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::members::{await_gone, replace};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "wipe",
    lane: Lane::Displace,
    needs: Needs::Node,
    seconds: 0..=0,
    draw: |_, _| Box::new(Wipe { old: vec![] }),
};

struct Wipe {
    old: Vec<u64>,
}

impl Fault for Wipe {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        self.old = replace(rig, slot)?;
        Ok(Outcome::Installed(slot.name.clone()))
    }

    fn undo(&mut self, rig: &Rig, _: &[usize]) -> Result<()> {
        await_gone(rig, &self.old)
    }
}
