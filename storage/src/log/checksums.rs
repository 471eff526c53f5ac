//! The checksum of any stretch of a segment, after one pass over all of it: bytes that only look like records, of which a
//! sender of messages can write as many as fit, must not cost a pass each.

use std::ops::Range;

/// Bytes between two checksums that are kept.
const STRIDE: usize = 256;

/// See the module.
pub(super) struct Checksums<'a> {
    bytes: &'a [u8],
    /// Of the first 0, 256, 512, … bytes.
    kept: Vec<u32>,
}

impl<'a> Checksums<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut kept = Vec::with_capacity(bytes.len() / STRIDE + 1);
        kept.push(0);
        let whole = bytes.chunks_exact(STRIDE);
        kept.extend(whole.scan(0, |crc, stride| {
            *crc = crc32c::crc32c_append(*crc, stride);
            Some(*crc)
        }));
        Self { bytes, kept }
    }

    /// The checksum of what has `before`, and then the bytes of `range`.
    pub(super) fn append(&self, before: u32, range: Range<usize>) -> u32 {
        let (first, last) = (range.start.div_ceil(STRIDE), range.end / STRIDE);
        if first >= last {
            return crc32c::crc32c_append(before, &self.bytes[range]);
        }
        let first_crc = crc32c::crc32c_append(before, &self.bytes[range.start..first * STRIDE]);
        // CRCs are linear: moved over the same strides, the one of what was before them cancels out.
        let moved = (last - first) * STRIDE;
        let last_crc = crc32c::crc32c_combine(first_crc ^ self.kept[first], self.kept[last], moved);
        crc32c::crc32c_append(last_crc, &self.bytes[last * STRIDE..range.end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_a_pass(bytes in prop::collection::vec(any::<u8>(), 1..3_000), before: u32, a: prop::sample::Index, b: prop::sample::Index) {
            let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
            let range = a.min(b)..a.max(b);
            let expected = crc32c::crc32c_append(before, &bytes[range.clone()]);
            prop_assert_eq!(Checksums::new(&bytes).append(before, range), expected);
        }
    }
}
