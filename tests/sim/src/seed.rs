//! What a seed decides before anything runs.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use hansard_storage::WriterMode;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::layout::{FOUNDERS, NODES, ROUTERS};

/// A run's parameters.
pub(crate) struct Plan {
    /// The seed.
    pub(crate) seed: u64,
    /// Errors of wall clocks, nodes first, then routers: microseconds, and microseconds a second.
    pub(crate) clocks: [(i64, i64); NODES + ROUTERS],
    /// Who runs the log writers: in line, or now and then, so that a crash meets entries on their way to the disk.
    pub(crate) writer: WriterMode,
    /// Longest delay of a message on a quiet link, milliseconds.
    pub(crate) latency_ms: u64,
    /// What each person does.
    pub(crate) deeds: usize,
    /// Entries between snapshots: few, so that who was away needs one.
    pub(crate) snapshot_entries: u64,
    /// When the machines that do not found the cluster are switched on, after the faults begin.
    pub(crate) switched_on: [Duration; NODES - FOUNDERS],
    /// Disks don't sync: a planted bug.
    pub(crate) lying: bool,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            seed,
            clocks: std::array::from_fn(|_| {
                (rng.random_range(-2_000_000..2_000_000), rng.random_range(-20_000..20_000))
            }),
            writer: if rng.random_ratio(1, 3) { WriterMode::Inline } else { WriterMode::Manual },
            latency_ms: rng.random_range(2..40),
            deeds: rng.random_range(30..80),
            snapshot_entries: rng.random_range(10..60),
            switched_on: std::array::from_fn(|_| Duration::from_millis(rng.random_range(0..15_000))),
            lying: false,
        }
    }

    /// A seed of its own for one part.
    pub(crate) fn derive(&self, part: &str, index: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, part, index).hash(&mut hasher);
        hasher.finish()
    }

    /// Dice of their own for one part.
    pub(crate) fn rng(&self, part: &str, index: usize) -> StdRng {
        StdRng::seed_from_u64(self.derive(part, index))
    }
}
