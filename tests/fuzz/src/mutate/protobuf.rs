//! Mutations of messages by field, at any depth.

use std::ops::Range;

use super::{MAX_INPUT, bytes, numbers};
use crate::rng::Dice;

/// A field as it lies in the input.
struct Field {
    whole: Range<usize>,
    /// The content of a field that has a length.
    content: Option<Range<usize>>,
}

/// One of them, in the message itself or in one of its fields.
pub(super) fn step(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let fields = fields(input);
    if fields.is_empty() {
        return bytes::step(input, other, dice);
    }
    let field = dice.one_of(&fields);
    if let Some(content) = &field.content
        && !dice.one_in(3)
    {
        let mut inner = input[content.clone()].to_vec();
        step(&mut inner, other, dice);
        return replace(input, field, content, &inner);
    }
    match dice.below(6) {
        0 => drop(input.drain(field.whole.clone())),
        1 => double(input, field, dice),
        2 => {
            let taken = input.drain(field.whole.clone()).collect::<Vec<u8>>();
            input.extend(taken);
        }
        3 => retag(input, field, dice),
        4 => nest(input, field, dice),
        _ => adopt(input, other, dice),
    }
}

/// The field again: at the end, and sometimes very often.
fn double(input: &mut Vec<u8>, field: &Field, dice: &mut Dice) {
    let whole = input[field.whole.clone()].to_vec();
    let times = if dice.one_in(16) { dice.small(MAX_INPUT / whole.len()) } else { 1 + dice.below(2) };
    input.extend(whole.repeat(times));
}

/// Another number or another wire type.
fn retag(input: &mut Vec<u8>, field: &Field, dice: &mut Dice) {
    let number = if dice.one_in(4) { dice.number() >> dice.below(64) } else { 1 + dice.below(24) as u64 };
    let tag = numbers::varint(number << 3 | dice.below(8) as u64, dice);
    input.splice(field.whole.start..=field.whole.start, tag);
}

/// The message into itself, many times.
fn nest(input: &mut Vec<u8>, field: &Field, dice: &mut Dice) {
    let tag = input[field.whole.start];
    let mut inner = input[field.whole.clone()].to_vec();
    for _ in 0..1 << dice.below(9) {
        let mut outer = vec![tag & !7 | 2];
        put_length(&mut outer, inner.len());
        if outer.len() + inner.len() > MAX_INPUT {
            break;
        }
        outer.extend_from_slice(&inner);
        inner = outer;
    }
    input.splice(field.whole.clone(), inner);
}

/// A field of another input.
fn adopt(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let theirs = fields(other);
    if !theirs.is_empty() {
        input.extend_from_slice(&other[dice.one_of(&theirs).whole.clone()]);
    }
}

fn replace(input: &mut Vec<u8>, field: &Field, content: &Range<usize>, inner: &[u8]) {
    // The tag stays; between it and the content is the length.
    let tag = tag_end(input, field.whole.start).unwrap_or(content.start);
    let mut with_length = Vec::with_capacity(inner.len() + 5);
    put_length(&mut with_length, inner.len());
    with_length.extend_from_slice(inner);
    input.splice(tag..content.end, with_length);
}

fn put_length(out: &mut Vec<u8>, len: usize) {
    prost::encoding::encode_varint(len as u64, out);
}

fn tag_end(input: &[u8], start: usize) -> Option<usize> {
    let (_, size) = read_varint(&input[start..])?;
    Some(start + size)
}

/// The fields, as far as the input can be read.
fn fields(input: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut at = 0;
    while let Some(field) = field(input, at) {
        at = field.whole.end;
        fields.push(field);
    }
    fields
}

fn field(input: &[u8], start: usize) -> Option<Field> {
    let (tag, size) = read_varint(input.get(start..)?)?;
    let at = start + size;
    let (end, content) = match tag & 7 {
        0 => (at + read_varint(&input[at..])?.1, None),
        1 => (at + 8, None),
        2 => {
            let (len, size) = read_varint(&input[at..])?;
            let content = at + size..(at + size).checked_add(usize::try_from(len).ok()?)?;
            (content.end, Some(content))
        }
        5 => (at + 4, None),
        _ => return None,
    };
    (end <= input.len()).then_some(Field { whole: start..end, content })
}

fn read_varint(input: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in input.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}
