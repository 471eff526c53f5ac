//! Little fits through the line to a site.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, sole};
use crate::claims::Needs;
use crate::host::network::{SITES, held_up, thicken, thin};
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "thin_pipe",
    lane: Lane::Disturb,
    needs: Needs::Line,
    seconds: 5..=15,
    draw: |dice, _| Box::new(ThinPipe { kilobits: dice.random_range(200..=2_000) }),
};

/// Nodes talk all the time: so soon something has to wait, or the pipe is not thin.
const FELT: Duration = Duration::from_secs(5);

struct ThinPipe {
    kilobits: u64,
}

impl Fault for ThinPipe {
    fn install(&mut self, rig: &Rig, sites: &[usize]) -> Result<Outcome> {
        let site = sole(sites)?;
        thin(site, self.kilobits)?;
        let held = rig.wait(FELT, || held_up(site).is_ok_and(|packets| packets > 0));
        let what = format!("{}: {} kbit/s", SITES[site], self.kilobits);
        Ok(if held { Outcome::Installed(what) } else { Outcome::Indeterminate(format!("{what}: nothing had to wait")) })
    }

    fn undo(&mut self, _: &Rig, sites: &[usize]) -> Result<()> {
        thicken(sole(sites)?);
        Ok(())
    }
}
