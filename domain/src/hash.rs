//! SHA-256 and HMAC-SHA256 of messages that lie in memory as a whole: block by block from where they are, without the buffers
//! of a hasher that takes them in parts. Apply hashes twelve blocks for each message.

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;

use crate::lanes::compress_both;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

const BLOCK: usize = 64;
/// Behind a message: a one, zeros, and its length in bits.
const PADDING: usize = 9;

/// The state before the first block: FIPS 180-4, 5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

fn absorb(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    for block in blocks {
        compress256(state, std::slice::from_ref(GenericArray::from_slice(block)));
    }
}

fn absorb_both(states: &mut [[u32; 8]; 2], blocks: [&[[u8; BLOCK]]; 2]) {
    let [one, other] = states;
    let done = compress_both((one, blocks[0]), (other, blocks[1]));
    absorb(one, &blocks[0][done..]);
    absorb(other, &blocks[1][done..]);
}

/// The last blocks of a message: what is left of it behind `before` bytes, and its padding.
struct End {
    bytes: [u8; 2 * BLOCK],
    blocks: usize,
}

impl End {
    #[inline]
    fn new(before: usize, left: &[u8]) -> Self {
        let mut bytes = [0; 2 * BLOCK];
        bytes[..left.len()].copy_from_slice(left);
        bytes[left.len()] = 0x80;
        let blocks = if left.len() + PADDING <= BLOCK { 1 } else { 2 };
        let bits = (before as u64 + left.len() as u64) * 8;
        bytes[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bits.to_be_bytes());
        Self { bytes, blocks }
    }

    #[inline]
    fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.bytes.as_chunks().0[..self.blocks]
    }
}

#[inline]
fn hash_of(state: [u32; 8]) -> Hash {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// Takes in the rest of a message, of which `before` bytes (whole blocks) were taken in already.
fn finish(mut state: [u32; 8], before: usize, rest: &[u8]) -> Hash {
    let (blocks, left) = rest.as_chunks::<BLOCK>();
    absorb(&mut state, blocks);
    absorb(&mut state, End::new(before + rest.len() - left.len(), left).blocks());
    hash_of(state)
}

/// The same for two messages at once.
fn finish_both(mut states: [[u32; 8]; 2], before: usize, rest: [&[u8]; 2]) -> [Hash; 2] {
    let [(one, one_left), (other, other_left)] = rest.map(|rest| rest.as_chunks::<BLOCK>());
    absorb_both(&mut states, [one, other]);
    let one = End::new(before + rest[0].len() - one_left.len(), one_left);
    let other = End::new(before + rest[1].len() - other_left.len(), other_left);
    absorb_both(&mut states, [one.blocks(), other.blocks()]);
    states.map(hash_of)
}

/// SHA-256.
pub(crate) fn sha256(message: &[u8]) -> Hash {
    finish(START, 0, message)
}

/// SHA-256 of two messages, which costs less than twice one.
pub(crate) fn sha256_both(messages: [&[u8]; 2]) -> [Hash; 2] {
    finish_both([START; 2], 0, messages)
}

const INNER: u8 = 0x36;
const OUTER: u8 = 0x5c;

#[inline]
fn padded(key: &[u8; 32], pad: u8) -> [u8; BLOCK] {
    let mut first = [pad; BLOCK];
    first.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    first
}

/// HMAC-SHA256 under a key of 32 bytes.
pub(crate) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> Hash {
    let keyed = |pad| {
        let mut state = START;
        absorb(&mut state, &[padded(key, pad)]);
        state
    };
    let inner = finish(keyed(INNER), BLOCK, message);
    finish(keyed(OUTER), BLOCK, &inner)
}

/// HMAC-SHA256 of two messages, each under its own key.
pub(crate) fn hmac_sha256_both(keys: [&[u8; 32]; 2], messages: [&[u8]; 2]) -> [Hash; 2] {
    let keyed = |pad| {
        let mut states = [START; 2];
        let [one, other] = keys.map(|key| [padded(key, pad)]);
        absorb_both(&mut states, [&one, &other]);
        states
    };
    let [one, other] = finish_both(keyed(INNER), BLOCK, messages);
    finish_both(keyed(OUTER), BLOCK, [&one, &other])
}

/// Things by twos, as it is cheaper to hash them; the last may be alone.
pub(crate) fn pairs<T>(things: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, Option<T>)> {
    let mut things = things.into_iter();
    std::iter::from_fn(move || Some((things.next()?, things.next())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    /// All ways in which a message can end in a block.
    #[test]
    fn each_length_is_hashed_as_by_the_streaming_hasher() {
        for len in 0..=4 * BLOCK {
            let message: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(sha256(&message), <[u8; 32]>::from(Sha256::digest(&message)), "{len}");
        }
    }

    #[test]
    fn two_at_once_are_as_one_after_the_other() {
        let message = |len: usize| (0..len).map(|at| (at * 7 + len) as u8).collect::<Vec<u8>>();
        let lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 200, 300];
        for (one, other) in lengths.into_iter().flat_map(|one| lengths.map(|other| (message(one), message(other)))) {
            let both = [&one[..], &other[..]];
            assert_eq!(sha256_both(both), both.map(sha256));
            let keys = [[3; 32], [4; 32]];
            let single = [hmac_sha256(&keys[0], &one), hmac_sha256(&keys[1], &other)];
            assert_eq!(hmac_sha256_both([&keys[0], &keys[1]], both), single);
        }
    }

    proptest! {
        #[test]
        fn hmac_is_hmac(key: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(&message);
            prop_assert_eq!(hmac_sha256(&key, &message), <[u8; 32]>::from(mac.finalize().into_bytes()));
        }
    }
}
