//! Protobuf's fields, in the order and form in which they are usually written.

use bytes::BufMut;

/// Wire types.
const VARINT: u32 = 0;
const LEN: u32 = 2;

/// Digits' values; 0xff: no lower-case hexadecimal digit.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Takes a field of bytes with this number from the front.
#[inline]
pub(super) fn take<'a>(from: &mut &'a [u8], number: u32) -> Option<&'a [u8]> {
    if *from.first()? != tag(number, LEN) {
        return None;
    }
    let mut rest = &from[1..];
    let len = usize::try_from(take_varint(&mut rest)?).ok()?;
    let (bytes, rest) = rest.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}

/// Takes a number with this field number from the front; 0 if it is not there.
#[inline]
pub(super) fn take_number(from: &mut &[u8], number: u32) -> Option<u64> {
    if from.first().copied() != Some(tag(number, VARINT)) {
        return Some(0);
    }
    let mut rest = &from[1..];
    let value = take_varint(&mut rest)?;
    *from = rest;
    Some(value)
}

#[inline]
fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, &byte) in from.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            // The tenth byte has one bit left.
            let fits = at < 9 || byte <= 1;
            *from = &from[at + 1..];
            return fits.then_some(value);
        }
    }
    None
}

/// An id that is written in 32 lower-case hexadecimal digits.
#[inline]
pub(super) fn id_of_digits(digits: &[u8]) -> Option<[u8; 16]> {
    let digits = <&[u8; 32]>::try_from(digits).ok()?;
    let (mut id, mut bad) = ([0; 16], 0);
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        bad |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (bad < 16).then_some(id)
}

/// A field that holds an id in digits.
#[inline]
pub(super) fn put_digits(out: &mut impl BufMut, number: u32, id: &[u8; 16]) {
    let mut field = [0; 34];
    (field[0], field[1]) = (tag(number, LEN), 32);
    for (pair, byte) in field[2..].chunks_exact_mut(2).zip(id) {
        (pair[0], pair[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
    out.put_slice(&field);
}

/// A field of bytes; left out when it is empty.
#[inline]
pub(super) fn put_bytes(out: &mut impl BufMut, number: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_len(out, number, bytes.len());
        out.put_slice(bytes);
    }
}

/// The head of a field whose bytes follow.
#[inline]
pub(super) fn put_len(out: &mut impl BufMut, number: u32, len: usize) {
    out.put_u8(tag(number, LEN));
    put_varint(out, len as u64);
}

/// A field that is a number; left out when it is 0.
#[inline]
pub(super) fn put_number(out: &mut impl BufMut, number: u32, value: u64) {
    if value != 0 {
        out.put_u8(tag(number, VARINT));
        put_varint(out, value);
    }
}

#[inline]
fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// How long a field of so many bytes is, its head included; 0 for an empty one.
#[inline]
pub(super) fn bytes_len(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { len_len(bytes) }
}

/// How long a field of so many bytes is, its head included, also when it is empty.
#[inline]
pub(super) fn len_len(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

/// How long a field that is a number is; 0 when it is left out.
#[inline]
pub(super) fn number_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

#[inline]
fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

const fn tag(number: u32, wire_type: u32) -> u8 {
    assert!(number < 16, "a tag of one byte");
    (number << 3 | wire_type) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, 3, value);
            prop_assert_eq!(bytes.len(), number_len(value));
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_number(&mut rest, 3), Some(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn ids_come_back_and_nothing_else_is_one(id: [u8; 16], digits in "[0-9a-fA-Fg-]{31,33}") {
            let mut bytes = Vec::new();
            put_digits(&mut bytes, 1, &id);
            prop_assert_eq!(id_of_digits(&bytes[2..]), Some(id));
            let plain = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
            prop_assert_eq!(id_of_digits(digits.as_bytes()).is_some(), plain);
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_none() {
        let mut bytes = [0xff; 11];
        bytes[0] = tag(1, VARINT);
        bytes[10] = 2;
        assert_eq!(take_number(&mut &bytes[..], 1), None);
        bytes[10] = 1;
        assert_eq!(take_number(&mut &bytes[..], 1), Some(u64::MAX));
    }
}
