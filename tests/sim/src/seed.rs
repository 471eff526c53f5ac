//! What a seed decides before anything runs.

use std::hash::{DefaultHasher, Hash, Hasher};

use hansard_storage::WriterMode;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::cluster::NODES;

/// A run's parameters.
pub(crate) struct Plan {
    /// The seed.
    pub(crate) seed: u64,
    /// Errors of the nodes' wall clocks, microseconds.
    pub(crate) clock_offsets_us: [i64; NODES],
    /// Who runs the log writers: in line, or now and then, so that a crash meets entries on their way to the disk.
    pub(crate) writer: WriterMode,
    /// Longest delay of a message on a quiet link, milliseconds.
    pub(crate) latency_ms: u64,
    /// Sends of each client.
    pub(crate) sends: usize,
    /// Disks don't sync: a planted bug.
    pub(crate) lying: bool,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            seed,
            clock_offsets_us: std::array::from_fn(|_| rng.random_range(-2_000_000..2_000_000)),
            writer: if rng.random_ratio(1, 3) { WriterMode::Inline } else { WriterMode::Manual },
            latency_ms: rng.random_range(2..40),
            sends: rng.random_range(30..80),
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
