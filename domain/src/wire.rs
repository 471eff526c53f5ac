//! The primitives of every format: big-endian fixed integers and LEB128 varints, behind a leading version byte.

use bytes::Bytes;

/// Why bytes are not what they should be. Never a panic, whatever the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end too early.
    #[error("the {0} ends too early: it was cut, or was never one")]
    Truncated(&'static str),
    /// The format is newer than this program, or not of this kind.
    #[error("the {what} has format version {found}, which this version does not know: upgrade, or check what was read")]
    Version {
        /// What was read.
        what: &'static str,
        /// The version that it says it has.
        found: u8,
    },
    /// A field holds what it cannot hold.
    #[error("the {0} is malformed")]
    Malformed(&'static str),
    /// There are bytes after the end.
    #[error("the {0} is followed by bytes that do not belong to it")]
    Trailing(&'static str),
}

/// Reads the primitives in order; `what` names the thing that is read, for errors.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    owner: Option<&'a Bytes>,
    what: &'static str,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, owner: None, what }
    }

    /// Content that is read will share `bytes` instead of being copied.
    #[inline]
    pub(crate) fn sharing(bytes: &'a Bytes, what: &'static str) -> Self {
        Self { rest: bytes, owner: Some(bytes), what }
    }

    /// Reads and checks the leading version byte.
    #[inline]
    pub(crate) fn version(&mut self, known: u8) -> Result<(), CodecError> {
        let found = self.u8()?;
        if found == known { Ok(()) } else { Err(CodecError::Version { what: self.what, found }) }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(CodecError::Truncated(self.what))?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated(self.what))?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Result<i64, CodecError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A LEB128 varint, in its shortest form only, so that every value has one encoding.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, CodecError> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
                return Err(self.malformed());
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    /// A varint that counts things of which at most `max` are allowed.
    #[inline]
    pub(crate) fn count(&mut self, max: usize) -> Result<usize, CodecError> {
        let value = self.varint()?;
        usize::try_from(value).ok().filter(|v| *v <= max).ok_or(self.malformed())
    }

    /// Bytes behind a varint of their length, at most `max`.
    pub(crate) fn blob(&mut self, max: usize) -> Result<Bytes, CodecError> {
        let len = self.count(max)?;
        let slice = self.take(len)?;
        Ok(match self.owner {
            Some(owner) => owner.slice_ref(slice),
            None => Bytes::copy_from_slice(slice),
        })
    }

    /// UTF-8 behind a varint of its length, at most `max` bytes.
    pub(crate) fn text(&mut self, max: usize) -> Result<&'a str, CodecError> {
        let len = self.count(max)?;
        let slice = self.take(len)?;
        std::str::from_utf8(slice).map_err(|_| self.malformed())
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn malformed(&self) -> CodecError {
        CodecError::Malformed(self.what)
    }

    #[inline]
    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.what)) }
    }
}

/// Writes the primitives; the mirror of [`Reader`].
pub(crate) trait Write {
    fn put_array(&mut self, bytes: &[u8]);
    fn put_u8(&mut self, value: u8);

    #[inline]
    fn put_u16(&mut self, value: u16) {
        self.put_array(&value.to_be_bytes());
    }

    #[inline]
    fn put_u64(&mut self, value: u64) {
        self.put_array(&value.to_be_bytes());
    }

    #[inline]
    fn put_i64(&mut self, value: i64) {
        self.put_array(&value.to_be_bytes());
    }

    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    #[inline]
    fn put_blob(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put_array(bytes);
    }
}

impl Write for Vec<u8> {
    #[inline]
    fn put_array(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_forms_are_refused() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 10][..], &[0x80; 11][..]] {
            assert!(Reader::new(bytes, "number").varint().is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn varints_come_back(value: u64) {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            let mut reader = Reader::new(&bytes, "number");
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
