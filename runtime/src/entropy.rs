//! Randomness as a seam, so that a simulation's seed decides every id, salt and jitter.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// A source of random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable (or, under a seed, reproducible) bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number over the whole range.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// 16 random bytes: an id.
    fn id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }

    /// 32 random bytes: a salt.
    fn salt(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }

    /// A number in `0..bound` (0 when `bound` is 0); for jitter, not for keys: the last values are a hair less likely.
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }
}

thread_local! {
    static GENERATOR: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
}

/// A cryptographic generator per thread, seeded by the operating system: cheap enough for a salt per
/// message.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        GENERATOR.with_borrow_mut(|generator| generator.fill_bytes(bytes));
    }
}

/// A reproducible generator: the same seed and the same calls give the same bytes.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// A generator of its own for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_every_byte() {
        let (a, b, c) = (SeededEntropy::new(7), SeededEntropy::new(7), SeededEntropy::new(8));
        let first = a.salt();
        assert_eq!(first, b.salt());
        assert_ne!(first, c.salt());
        assert_ne!(first, a.salt());
    }

    #[test]
    fn the_system_never_repeats_an_id() {
        assert_ne!(OsEntropy.id(), OsEntropy.id());
        let mut long = [0; 256];
        OsEntropy.fill(&mut long);
        assert!(long.iter().any(|byte| *byte != 0));
    }

    #[test]
    fn below_stays_below() {
        let entropy = SeededEntropy::new(1);
        assert!((0..1000).all(|_| entropy.below(10) < 10));
        assert_eq!(entropy.below(0), 0);
    }
}
