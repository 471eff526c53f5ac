//! One more node joins under load, and leaves again.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::members::{admit, await_gone, await_share};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "join",
    lane: Lane::Displace,
    needs: Needs::Nothing,
    seconds: 3..=8,
    draw: |_, _| Box::new(Join { joined: None }),
};

/// How long another fault may have its hands on the node when it is to go.
const PATIENCE: Duration = Duration::from_secs(60);

struct Join {
    /// The place and the node.
    joined: Option<(usize, u64)>,
}

impl Fault for Join {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let free = rig.slots.iter().find(|slot| !rig.claims.serves(slot.number));
        let slot = free.context("there is no free place for a node")?;
        slot.process.start()?;
        let id = admit(rig, slot, &[])?;
        self.joined = Some((slot.number, id));
        await_share(rig, id)?;
        Ok(Outcome::Installed(format!("{}: {id}", slot.name)))
    }

    fn undo(&mut self, rig: &Rig, _: &[usize]) -> Result<()> {
        let Some((number, id)) = self.joined else { return Ok(()) };
        rig.operator.decommission(id)?;
        await_gone(rig, &[id])?;
        rig.claims.set_serving(number, false);
        let _hands = rig.claims.take_node(number, PATIENCE).context("another fault does not let go of the node")?;
        rig.slots[number].wipe()
    }
}
