//! Mutations that know nothing.

use super::MAX_INPUT;
use crate::rng::Dice;

/// One of them.
pub(super) fn step(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let Some(range) = dice.range(input.len()) else {
        input.extend_from_slice(other);
        return;
    };
    match dice.below(9) {
        0 => input[range.start] ^= 1 << dice.below(8),
        1 => input[range.start] = *dice.one_of(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'.', b'\n']),
        2 => input[range].iter_mut().for_each(|byte| *byte = dice.byte()),
        3 => input.truncate(range.start),
        4 => drop(input.drain(range)),
        5 => repeat(input, range, dice),
        6 => splice(input, range, other, dice),
        7 => {
            let noise: Vec<u8> = (0..=dice.small(32)).map(|_| dice.byte()).collect();
            input.splice(range.start..range.start, noise);
        }
        _ => {
            let to = dice.below(input.len());
            let moved: Vec<u8> = input[range].to_vec();
            let end = (to + moved.len()).min(input.len());
            input[to..end].copy_from_slice(&moved[..end - to]);
        }
    }
}

/// A piece again and again, mostly a few times.
fn repeat(input: &mut Vec<u8>, range: std::ops::Range<usize>, dice: &mut Dice) {
    let piece = input[range.clone()].to_vec();
    let most = (MAX_INPUT / piece.len()).min(4_096);
    let times = if dice.one_in(16) { dice.small(most) } else { 1 + dice.below(3) };
    input.splice(range.end..range.end, piece.repeat(times));
}

/// A piece of another valid input in the place of a piece.
fn splice(input: &mut Vec<u8>, range: std::ops::Range<usize>, other: &[u8], dice: &mut Dice) {
    if let Some(from) = dice.range(other.len()) {
        input.splice(range, other[from].iter().copied());
    }
}
