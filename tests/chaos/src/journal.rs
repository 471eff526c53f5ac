//! What happened when, for people; and what must not have happened.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Nanoseconds since the start of the run: the clock of all histories.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunClock(Instant);

impl RunClock {
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Prints lines with the time since the start, and keeps those that fail the run.
#[derive(Debug)]
pub(crate) struct Journal {
    start: Instant,
    failures: Mutex<Vec<String>>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), failures: Mutex::default() }
    }

    /// The clock of all histories.
    pub(crate) fn clock(&self) -> RunClock {
        RunClock(self.start)
    }

    /// What it says now.
    pub(crate) fn now(&self) -> u64 {
        self.clock().now()
    }

    /// Says what happened.
    pub(crate) fn say(&self, what: impl AsRef<str>) {
        println!("{:8.2} {}", self.start.elapsed().as_secs_f64(), what.as_ref());
    }

    /// Says what happened and must not: the run fails.
    pub(crate) fn fail(&self, what: impl AsRef<str>) {
        self.say(format!("FAILURE: {}", what.as_ref()));
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(what.as_ref().to_owned());
    }

    /// All that must not have happened.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
