//! A node's time of day jumps, forward or back. Its monotonic clock goes on.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::network::inside;
use crate::http::metric;
use crate::rig::Rig;
use crate::slot::Slot;

pub(super) const KIND: Kind = Kind {
    name: "clock",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(Clock { shift_s: [-86_400, -60, -2, 2, 60, 3_600][dice.random_range(0..6)] }),
};

/// The library looks at its file once a second; so soon the node says what it sees.
const FELT: Duration = Duration::from_secs(10);
/// How near that must be, in seconds: less than half of the least shift.
const NEAR: f64 = 0.9;

struct Clock {
    shift_s: i64,
}

impl Fault for Clock {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.shift_clock(self.shift_s)?;
        let what = format!("{}: {:+} s", slot.name, self.shift_s);
        let wanted = self.shift_s as f64;
        let felt = |ahead: RangeInclusive<f64>| wanted - NEAR < *ahead.start() && *ahead.end() < wanted + NEAR;
        Ok(if rig.wait(FELT, || ahead(slot).is_ok_and(felt)) {
            Outcome::Installed(what)
        } else {
            let seen = ahead(slot).map_or_else(|error| error.to_string(), |ahead| format!("{ahead:.1?} s ahead"));
            Outcome::Indeterminate(format!("{what}: {seen}; is libfaketime there?"))
        })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        only(rig, nodes)?.shift_clock(0)
    }
}

/// Between what and what a node's clock is ahead of ours, in seconds.
fn ahead(slot: &Slot) -> Result<RangeInclusive<f64>> {
    let ours = || Ok::<f64, anyhow::Error>(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64());
    let before = ours()?;
    let theirs = inside(&slot.process.namespace, || metric(&slot.address, "node_clock_seconds"))?;
    Ok(theirs - ours()?..=theirs - before)
}
