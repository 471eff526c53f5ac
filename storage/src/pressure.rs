//! How full the disk is, and what follows from it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use hansard_failpoint::{self as failpoint, Point};

use crate::disk::Disk;
use crate::stats::Stats;

const BALLAST: &str = "BALLAST";

/// The disk at the last probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePressure {
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Whether new proposals may be taken. Votes and what replication demands are written all the same.
    pub accepting: bool,
    /// Whether the ballast file is in place.
    pub ballast: bool,
}

/// Watches free space; holds a file that can be given up when it runs out.
pub(crate) struct Space {
    disk: Arc<dyn Disk>,
    ballast_bytes: u64,
    stop_below: u64,
    free_ballast_below: u64,
    now: Mutex<StorePressure>,
    stats: Arc<Stats>,
}

impl Space {
    pub(crate) fn new(disk: Arc<dyn Disk>, options: &crate::Options, stats: Arc<Stats>) -> Self {
        let ballast = matches!(disk.len(BALLAST), Ok(Some(len)) if len >= options.ballast_bytes);
        Self {
            disk,
            ballast_bytes: options.ballast_bytes,
            stop_below: options.stop_accepting_below,
            free_ballast_below: options.free_ballast_below,
            now: Mutex::new(StorePressure { free_bytes: u64::MAX, accepting: true, ballast }),
            stats,
        }
    }

    pub(crate) fn pressure(&self) -> StorePressure {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the disk; gives the ballast up, or puts it back, as the thresholds say.
    pub(crate) fn probe(&self) {
        let free = match self.disk.free_bytes() {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "free space could not be read");
                return;
            }
        };
        let had_ballast = self.pressure().ballast;
        let roomy = free > self.stop_below.saturating_add(2 * self.ballast_bytes);
        if had_ballast && free < self.free_ballast_below {
            self.free_ballast();
        } else if !had_ballast && self.ballast_bytes > 0 && roomy {
            self.make_ballast();
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let accepting = free >= self.stop_below && (now.ballast || self.ballast_bytes == 0);
        if accepting != now.accepting {
            tracing::warn!(free_bytes = free, accepting, "the store changed whether it takes proposals");
        }
        (now.free_bytes, now.accepting) = (free, accepting);
        Stats::set(&self.stats.free_bytes, free);
    }

    fn make_ballast(&self) {
        let made =
            failpoint::io(Point::BallastMake).and_then(|()| self.disk.create(BALLAST, self.ballast_bytes, &|_| ()));
        match made {
            Ok(_) => self.now.lock().unwrap_or_else(PoisonError::into_inner).ballast = true,
            Err(error) => {
                let _ = self.disk.remove(BALLAST);
                tracing::warn!(%error, "the ballast file could not be made");
            }
        }
    }

    /// Gives the ballast up so that votes, marks and the next segment still fit; whether there was any.
    pub(crate) fn free_ballast(&self) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.accepting = false;
        if !std::mem::take(&mut now.ballast) {
            return false;
        }
        failpoint::pass(Point::BallastFree);
        tracing::warn!("the disk is nearly full: the ballast file is freed, no proposals are taken");
        self.disk.remove(BALLAST).is_ok()
    }
}
