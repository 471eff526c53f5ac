//! A node is decommissioned under load, and switched off; later a new one comes in its place.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::members::{admit, await_gone, await_share, ids};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "decommission",
    lane: Lane::Displace,
    needs: Needs::Node,
    seconds: 0..=0,
    draw: |_, _| Box::new(Decommission { fresh: None }),
};

struct Decommission {
    fresh: Option<u64>,
}

impl Fault for Decommission {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let old = ids(rig, slot)?;
        for id in &old {
            rig.operator.decommission(*id)?;
        }
        await_gone(rig, &old)?;
        rig.claims.set_serving(slot.number, false);
        slot.wipe()?;
        slot.process.start()?;
        self.fresh = Some(admit(rig, slot, &old)?);
        Ok(Outcome::Installed(format!("{}: {old:?}", slot.name)))
    }

    fn undo(&mut self, rig: &Rig, _: &[usize]) -> Result<()> {
        self.fresh.map_or(Ok(()), |fresh| await_share(rig, fresh))
    }
}
