//! Content: whatever must be erasable. Canonical fields, so that equal content has equal bytes.

use bytes::Bytes;

use crate::limits::{MAX_NAME_BYTES, MAX_REASON_BYTES, MAX_TEXT_BYTES, MAX_TOPIC_BYTES};
use crate::wire::{CodecError, Reader, Write};

/// The content of a command. Encoded as `(field: u8, length: varint, UTF-8)*` with ascending fields; absent fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Field 1: what is said, or what it is changed to. At most 16,384 bytes.
    pub text: Option<String>,
    /// Field 2: a room's name. At most 128 bytes.
    pub name: Option<String>,
    /// Field 3: a room's topic. At most 1,024 bytes.
    pub topic: Option<String>,
    /// Field 4: why. At most 1,024 bytes.
    pub reason: Option<String>,
}

impl Content {
    /// Content that is only text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// The canonical bytes of content that is only text.
    pub fn text_bytes(text: &str) -> Bytes {
        let len_len = text.len().checked_ilog2().map_or(1, |bits| bits as usize / 7 + 1);
        // Not a byte more: what is left over would cost an allocation of its own.
        let mut out = Vec::with_capacity(1 + len_len + text.len());
        out.put_u8(1);
        out.put_blob(text.as_bytes());
        out.into()
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let fields = [&self.text, &self.name, &self.topic, &self.reason];
        let len = fields.iter().filter_map(|f| f.as_ref()).map(|f| f.len() + 4).sum();
        let mut out = Vec::with_capacity(len);
        for (number, field) in (1u8..).zip(fields) {
            if let Some(value) = field {
                out.put_u8(number);
                out.put_blob(value.as_bytes());
            }
        }
        out.into()
    }

    /// Reads content; anything but the canonical form within its bounds is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "content");
        let mut content = Self::default();
        let mut last = 0;
        while !reader.rest().is_empty() {
            let number = reader.u8()?;
            if number <= last {
                return Err(reader.malformed());
            }
            last = number;
            let (field, max) = match number {
                1 => (&mut content.text, MAX_TEXT_BYTES),
                2 => (&mut content.name, MAX_NAME_BYTES),
                3 => (&mut content.topic, MAX_TOPIC_BYTES),
                4 => (&mut content.reason, MAX_REASON_BYTES),
                _ => return Err(reader.malformed()),
            };
            *field = Some(reader.text(max)?.to_owned());
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        for bad in [&[1, 1][..], &[0, 0], &[9, 0], &[1, 0, 1, 0], &[2, 0, 1, 0], &[1, 1, 0xff], &[1, 0x80, 0x00]] {
            assert!(Content::decode(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Content::decode(&[]), Ok(Content::default()));
    }

    #[test]
    fn text_alone_is_encoded_as_content_is() {
        for text in ["", "x", &"é".repeat(100), &"x".repeat(MAX_TEXT_BYTES)] {
            assert_eq!(Content::text_bytes(text), Content::text(text).encode());
        }
    }

    #[test]
    fn bounds_hold() {
        assert!(Content::decode(&Content::text("x".repeat(MAX_TEXT_BYTES)).encode()).is_ok());
        assert!(Content::decode(&Content::text("x".repeat(MAX_TEXT_BYTES + 1)).encode()).is_err());
    }

    proptest! {
        #[test]
        fn content_comes_back(text: Option<String>, name in prop::option::of("[a-z]{0,20}"), topic: Option<String>, reason: Option<String>) {
            let content = Content { text, name, topic, reason };
            prop_assert_eq!(Content::decode(&content.encode()), Ok(content));
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(content) = Content::decode(&bytes) {
                prop_assert_eq!(&content.encode()[..], &bytes[..]);
            }
        }
    }
}
