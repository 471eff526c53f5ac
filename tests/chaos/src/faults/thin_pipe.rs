//! Little fits through the line to a site.

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::host::network::{SITES, thicken, thin};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "thin_pipe",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 5..=15,
    draw: |dice, _| Box::new(ThinPipe { pick: dice.random(), kilobits: dice.random_range(500..=5_000) }),
};

struct ThinPipe {
    pick: u32,
    kilobits: u64,
}

impl ThinPipe {
    fn site(&self) -> usize {
        self.pick as usize % SITES.len()
    }
}

impl Fault for ThinPipe {
    fn install(&mut self, _: &Rig, _: &[usize]) -> Result<Outcome> {
        thin(self.site(), self.kilobits)?;
        Ok(Outcome::Installed(format!("{}: {} kbit/s", SITES[self.site()], self.kilobits)))
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        thicken(self.site());
        Ok(())
    }
}
