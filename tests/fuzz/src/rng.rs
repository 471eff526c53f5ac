//! Dice for one input.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// See the module.
pub(crate) struct Dice(StdRng);

impl Dice {
    /// The dice of a target's input, by its number.
    pub(crate) fn new(seed: u64, target: &str, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        // The name's hash (FNV-1a), so that targets draw different inputs.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        key[16..24].copy_from_slice(&target.bytes().fold(0xcbf2_9ce4_8422_2325, step).to_le_bytes());
        Self(StdRng::from_seed(key))
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Small more often than large, at most `most`.
    pub(crate) fn small(&mut self, most: usize) -> usize {
        let bits = usize::BITS - most.leading_zeros();
        let bound = 1_usize << self.below(bits as usize + 1);
        self.below(bound.min(most + 1))
    }

    /// Once in `count`.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of these, of which there is at least one.
    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Any byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.next_u32() as u8
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A place in `len` bytes, and how many bytes from there, at least one; `None` if there are none.
    pub(crate) fn range(&mut self, len: usize) -> Option<std::ops::Range<usize>> {
        if len == 0 {
            return None;
        }
        let start = self.below(len);
        let size = 1 + self.small(len - start - 1);
        Some(start..start + size)
    }
}
