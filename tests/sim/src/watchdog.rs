//! Notices when simulated time stands still: some task of the product never waits.

use std::{process, thread, time::Duration};

use crate::os;

/// How long one step of the simulation may take, in real time: it takes milliseconds, on a busy machine tens of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches until the process ends.
pub(crate) fn start(seed: u64) {
    thread::spawn(move || {
        let mut seen = None;
        loop {
            thread::sleep(PATIENCE);
            let now = os::elapsed();
            if seen.replace(now) == Some(now) {
                println!("VIOLATION liveness: some task never waits, so that time stands still at {now:?}");
                println!("seed={seed} stands still");
                process::exit(1);
            }
        }
    });
}
