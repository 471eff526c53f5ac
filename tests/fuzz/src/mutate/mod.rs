//! Makes valid inputs wrong: bit by bit, and by what is known of their structure.

mod bytes;
mod numbers;
mod protobuf;
mod text;

use crate::rng::Dice;
use crate::target::{Shape, Target};

/// Inputs are cut to so many bytes: a client's frame.
pub(crate) const MAX_INPUT: usize = 64 << 10;
/// Mutations of one input.
const MAX_STEPS: usize = 6;

/// A mutated seed.
pub(crate) fn mutated(target: &Target, seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = dice.one_of(seeds).clone();
    for _ in 0..=dice.small(MAX_STEPS - 1) {
        let other = dice.one_of(seeds);
        step(target.shape, &mut input, other, dice);
        input.truncate(MAX_INPUT);
    }
    if let Some(seal) = target.seal
        && !dice.one_in(8)
    {
        seal(&mut input);
    }
    input
}

fn step(shape: Shape, input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    match shape {
        Shape::Protobuf if !dice.one_in(3) => protobuf::step(input, other, dice),
        Shape::Text(words) if !dice.one_in(4) => text::step(input, words, dice),
        Shape::Bytes if dice.one_in(2) => numbers::step(input, dice),
        _ => bytes::step(input, other, dice),
    }
}
