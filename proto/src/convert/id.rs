//! Ids: 32 hexadecimal digits for clients, 16 bytes inside the cluster.

use bytes::Bytes;
use hansard_domain::{ClusterId, PersonId, RequestId, RoomId, ShardId};

use super::ConvertError;

/// Any of domain's 128-bit ids.
pub trait WireId: Copy {
    /// The id with these bytes.
    fn of(bytes: [u8; 16]) -> Self;
    /// Its bytes.
    fn raw(&self) -> &[u8; 16];
    /// Reads 32 hexadecimal digits, or a UUID.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! wire_ids {
    ($($name:ident),*) => {
        $(impl WireId for $name {
            fn of(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }

            fn raw(&self) -> &[u8; 16] {
                self.as_bytes()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}

wire_ids!(ClusterId, PersonId, RequestId, RoomId, ShardId);

/// The id as clients see it. Like `to_string`, several times as fast: every event has two.
pub fn text<T: WireId>(id: T) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(32);
    for byte in id.raw() {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
    out
}

/// The id as nodes and routers see it.
pub fn bytes<T: WireId>(id: T) -> Bytes {
    Bytes::copy_from_slice(id.raw())
}

/// An id that a client wrote into `field`.
pub fn id_of_text<T: WireId>(field: &'static str, text: &str) -> Result<T, ConvertError> {
    T::parse(text).ok_or_else(|| ConvertError::new(field, "32 hexadecimal digits are wanted, or a UUID"))
}

/// An id that a node or router wrote into `field`.
pub fn id_of_bytes<T: WireId>(field: &'static str, bytes: &[u8]) -> Result<T, ConvertError> {
    let raw = <[u8; 16]>::try_from(bytes);
    raw.map(T::of).map_err(|_| ConvertError::new(field, format!("16 bytes are wanted, not {}", bytes.len())))
}

/// An id that may be absent: no bytes at all.
pub fn optional_id_of_bytes<T: WireId>(field: &'static str, bytes: &[u8]) -> Result<Option<T>, ConvertError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    id_of_bytes(field, bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_come_back(raw: [u8; 16]) {
            let room = RoomId::from_bytes(raw);
            prop_assert_eq!(text(room), room.to_string());
            prop_assert_eq!(id_of_text("room", &text(room)), Ok(room));
            prop_assert_eq!(id_of_bytes("room", &bytes(room)), Ok(room));
        }

        #[test]
        fn other_text_and_bytes_are_refused(bytes: Vec<u8>, text: String) {
            let read: Result<RoomId, _> = id_of_bytes("room", &bytes);
            prop_assert_eq!(read.is_ok(), bytes.len() == 16);
            let _: Result<RoomId, _> = id_of_text("room", &text);
            let optional = optional_id_of_bytes::<PersonId>("person", &bytes);
            prop_assert_eq!(optional.is_ok(), bytes.len() == 16 || bytes.is_empty());
        }
    }
}
