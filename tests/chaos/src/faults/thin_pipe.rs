//! Little fits through the line to a site.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::host::network::{SITES, held_up, thicken, thin};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "thin_pipe",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 5..=15,
    draw: |dice, _| Box::new(ThinPipe { pick: dice.random(), kilobits: dice.random_range(200..=2_000) }),
};

/// Nodes talk all the time: so soon something has to wait, or the pipe is not thin.
const FELT: Duration = Duration::from_secs(5);

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
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        thin(self.site(), self.kilobits)?;
        let held = rig.wait(FELT, || held_up(self.site()).is_ok_and(|packets| packets > 0));
        let what = format!("{}: {} kbit/s", SITES[self.site()], self.kilobits);
        Ok(if held { Outcome::Installed(what) } else { Outcome::Indeterminate(format!("{what}: nothing had to wait")) })
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        thicken(self.site());
        Ok(())
    }
}
