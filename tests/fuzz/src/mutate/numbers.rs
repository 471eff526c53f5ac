//! Mutations of numbers and lengths, wherever they may be: fixed ones of both orders, and varints.

use crate::rng::Dice;

/// One of them.
pub(super) fn step(input: &mut Vec<u8>, dice: &mut Dice) {
    let Some(range) = dice.range(input.len()) else { return };
    let at = range.start;
    let value = interesting(input.len(), dice);
    if dice.one_in(3) {
        let varint = varint(value, dice);
        let until = (at + 1 + dice.below(2)).min(input.len());
        input.splice(at..until, varint);
        return;
    }
    let width = *dice.one_of(&[1_usize, 2, 4, 8]);
    let bytes = match dice.one_in(4) {
        true => value.to_le_bytes()[..width].to_vec(),
        false => value.to_be_bytes()[8 - width..].to_vec(),
    };
    let end = (at + width).min(input.len());
    input[at..end].copy_from_slice(&bytes[..end - at]);
}

/// Edges of ranges, powers of two, and lengths that are nearly true.
fn interesting(len: usize, dice: &mut Dice) -> u64 {
    let near = (dice.below(9) as u64).wrapping_sub(4);
    match dice.below(6) {
        0 => near,
        1 => (len as u64).wrapping_add(near),
        2 => (1_u64 << dice.below(64)).wrapping_add(near),
        3 => *dice.one_of(&[u64::MAX, i64::MAX as u64, i64::MIN as u64, u64::from(u32::MAX), u64::from(u16::MAX), 0]),
        4 => dice.below(256) as u64,
        _ => dice.number(),
    }
}

/// Sometimes longer than it need be, or without an end.
pub(super) fn varint(mut value: u64, dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    if dice.one_in(8) {
        let last = out.len() - 1;
        out[last] |= 0x80;
        out.extend(std::iter::repeat_n(0x80, dice.below(10)));
        out.push(dice.byte() & 1);
    }
    out
}
