//! Content at rest: an envelope that encryption can fill later, and a salted commitment that outlives erasure.

use std::fmt;

use bytes::Bytes;

use crate::hash::{hmac_sha256, hmac_sha256_both, pairs};
use crate::limits::{MAX_NONCE_BYTES, MAX_SEALED_BYTES};
use crate::wire::{CodecError, Reader, Write};

/// The envelope around content in log, state and snapshots. Scheme 0 is clear text; others are reserved for ciphers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sealed {
    /// How `bytes` are sealed; 0: not at all.
    pub scheme: u8,
    /// The key that opens them; none in the clear.
    pub key_id: Option<[u8; 16]>,
    /// The cipher's nonce, at most 24 bytes; empty in the clear.
    pub nonce: Bytes,
    /// The content, sealed.
    pub bytes: Bytes,
}

impl Sealed {
    /// Content in the clear.
    pub fn clear(bytes: Bytes) -> Self {
        Self { scheme: 0, key_id: None, nonce: Bytes::new(), bytes }
    }

    /// The content, if it is in the clear; empty if a key is needed that nobody here has.
    pub fn open(&self) -> Bytes {
        if self.scheme == 0 { self.bytes.clone() } else { Bytes::new() }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        match self.scheme {
            0 => 4 + self.bytes.len(),
            _ => 22 + self.nonce.len() + self.bytes.len(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.scheme);
        if self.scheme != 0 {
            out.put_u8(u8::from(self.key_id.is_some()));
            if let Some(key) = &self.key_id {
                out.put_array(key);
            }
            out.put_blob(&self.nonce);
        }
        out.put_blob(&self.bytes);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::decode_bounded(reader, MAX_SEALED_BYTES)
    }

    pub(crate) fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, CodecError> {
        let scheme = reader.u8()?;
        if scheme == 0 {
            return Ok(Self::clear(reader.blob(max)?));
        }
        let key_id = match reader.u8()? {
            0 => None,
            1 => Some(reader.array()?),
            _ => return Err(reader.malformed()),
        };
        Ok(Self { scheme, key_id, nonce: reader.blob(MAX_NONCE_BYTES)?, bytes: reader.blob(max)? })
    }
}

/// 32 random bytes, drawn by the proposer; destroyed together with the content, so that nothing can be guessed later.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Salt(pub [u8; 32]);

impl Salt {
    /// HMAC-SHA256 of the content under this salt.
    pub fn commit(&self, content: &[u8]) -> Commitment {
        Commitment(hmac_sha256(&self.0, content))
    }
}

/// Many commitments.
pub(crate) fn commit_all<'a>(all: impl IntoIterator<Item = (&'a Salt, &'a [u8])>, into: &mut Vec<Commitment>) {
    for both in pairs(all) {
        match both {
            ((one_salt, one), Some((other_salt, other))) => {
                let hashes = hmac_sha256_both([&one_salt.0, &other_salt.0], [one, other]);
                into.extend(hashes.map(Commitment));
            }
            ((salt, content), None) => into.push(salt.commit(content)),
        }
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// What the record says of content without saying it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Commitment(pub [u8; 32]);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commitment_is_hmac_sha256() {
        // RFC 4231, test case 1, whose key of 20 bytes is padded with zeros just as HMAC does.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let found: String = Salt(key).commit(b"Hi There").0.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn envelopes_come_back(scheme: u8, key: Option<[u8; 16]>, nonce in prop::collection::vec(any::<u8>(), 0..=24), bytes: Vec<u8>) {
            let sealed = match scheme {
                0 => Sealed::clear(bytes.into()),
                _ => Sealed { scheme, key_id: key, nonce: nonce.into(), bytes: bytes.into() },
            };
            let mut out = Vec::new();
            sealed.encode(&mut out);
            let mut reader = Reader::new(&out, "envelope");
            prop_assert_eq!(Sealed::decode(&mut reader), Ok(sealed));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
