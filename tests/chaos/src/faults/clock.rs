//! A node's time of day jumps, forward or back. Its monotonic clock goes on.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "clock",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(Clock { shift_s: [-86_400, -60, -2, 2, 60, 3_600][dice.random_range(0..6)] }),
};

/// The library looks at its file once a second.
const SEEN: Duration = Duration::from_millis(1_500);

struct Clock {
    shift_s: i64,
}

impl Fault for Clock {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.shift_clock(self.shift_s)?;
        rig.sleep(SEEN);
        let pid = slot.process.pid().context("it has just ended")?;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let what = format!("{}: {:+} s", slot.name, self.shift_s);
        Ok(if maps.contains("libfaketime") {
            Outcome::Installed(what)
        } else {
            Outcome::Skipped("no libfaketime".into())
        })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.shift_clock(0)
    }
}
