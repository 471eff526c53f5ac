//! Restarts servers that have ended while no fault has hands on them, as an init system does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rig::Rig;

/// Between two looks.
const ROUND: Duration = Duration::from_millis(200);
/// A node that ends so soon after its start, so often in a row, does not come up by itself.
const SOON: Duration = Duration::from_secs(5);
const TRIES: u32 = 6;

/// Runs until `done` says so.
pub(crate) fn supervise(rig: &Rig, done: impl Fn() -> bool) {
    let mut starts: BTreeMap<usize, (Instant, u32)> = BTreeMap::new();
    while !done() {
        std::thread::sleep(ROUND);
        for slot in &rig.slots {
            let Some(_hands) = rig.claims.try_take(slot.number) else { continue };
            let ended = slot.process.ended();
            if ended.is_none() && (slot.process.pid().is_some() || !rig.claims.serves(slot.number)) {
                continue;
            }
            let (last, tries) = starts.get(&slot.number).copied().unwrap_or((Instant::now(), 0));
            let tries = if last.elapsed() < SOON { tries + 1 } else { 1 };
            let words = slot.process.last_words();
            if tries > TRIES {
                rig.journal.fail(format!("{} does not come up: {words}", slot.name));
                rig.claims.set_serving(slot.number, false);
                continue;
            }
            rig.journal.say(format!("{} has ended ({ended:?}) and is started again: {words}", slot.name));
            if let Err(error) = slot.process.start() {
                rig.journal.fail(format!("{} cannot be started: {error:#}", slot.name));
            }
            starts.insert(slot.number, (Instant::now(), tries));
        }
    }
}
