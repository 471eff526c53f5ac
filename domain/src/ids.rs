//! Names of things: 128-bit ids, written as 32 lower-case hexadecimal digits (UUID text is read too).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::limits::SLOTS;

/// A node: drawn at random when its disk was empty, never used again.
pub type NodeId = u64;

/// Text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 hexadecimal digits are wanted, or a UUID")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The id in a slice, which must have 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_hex(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

id!(
    /// A person: `meta`'s opaque id for an issuer and a subject.
    PersonId
);
id!(
    /// A room.
    RoomId
);
id!(
    /// A shard: one Raft group, one record.
    ShardId
);
id!(
    /// A client's name for one intent; the same name again is the same intent.
    RequestId
);
id!(
    /// A cluster.
    ClusterId
);

impl PersonId {
    /// Who acts when nobody does: the cluster itself.
    pub const SYSTEM: Self = Self([0; 16]);

    /// The slot whose shard is the person's home: claims and refusals of the person are recorded there.
    pub fn slot(&self) -> u16 {
        first_12_bits(&digest(b"hansard person slot", &[&self.0]))
    }
}

impl ShardId {
    /// The group that knows the cluster: people, nodes, placement.
    pub const META: Self = Self([0; 16]);
}

impl RoomId {
    /// The id of the room that `creator` makes by `request`: a retry, through any router, means the same room.
    pub fn derive_room(cluster: ClusterId, creator: PersonId, request: RequestId) -> Self {
        Self(digest(b"hansard room", &[&cluster.0, &creator.0, &request.0]))
    }

    /// The id of the direct room of two people, whoever asks first.
    pub fn derive_direct(cluster: ClusterId, a: PersonId, b: PersonId) -> Self {
        Self(digest(b"hansard direct room", &[&cluster.0, &a.min(b).0, &a.max(b).0]))
    }

    /// The room's place in the slot table, 0 to 4,095: its birth shard, unless `meta` says that it moved.
    pub fn slot(&self) -> u16 {
        first_12_bits(&self.0)
    }
}

fn digest(domain: &[u8], parts: &[&[u8; 16]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update([domain.len() as u8]);
    hash.update(domain);
    for part in parts {
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    *full.first_chunk().expect("32 bytes begin with 16")
}

fn first_12_bits(bytes: &[u8; 16]) -> u16 {
    let slot = u16::from_be_bytes([bytes[0], bytes[1]]) >> 4;
    assert!(usize::from(slot) < SLOTS, "12 bits are a slot");
    slot
}

fn fmt_hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
    f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
}

fn parse_hex(text: &str) -> Result<[u8; 16], IdError> {
    let text = text.as_bytes();
    let uuid = text.len() == 36;
    if !uuid && text.len() != 32 {
        return Err(IdError);
    }
    let mut out = [0u8; 16];
    let mut nibbles = 0;
    for (at, &byte) in text.iter().enumerate() {
        if uuid && matches!(at, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return Err(IdError);
            }
            continue;
        }
        let nibble = char::from(byte).to_digit(16).ok_or(IdError)? as u8;
        out[nibbles / 2] = (out[nibbles / 2] << 4) | nibble;
        nibbles += 1;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        let id = RoomId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("30313233-3435-3637-3839-616263646566".parse(), Ok(id));
        for bad in ["", "30", "3031323334353637383961626364656g", "30313233-3435-3637-3839+616263646566"] {
            assert_eq!(bad.parse::<RoomId>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn derived_rooms_are_stable() {
        let (cluster, request) = (ClusterId::from_bytes([1; 16]), RequestId::from_bytes([2; 16]));
        let (a, b) = (PersonId::from_bytes([3; 16]), PersonId::from_bytes([4; 16]));
        assert_eq!(RoomId::derive_direct(cluster, a, b), RoomId::derive_direct(cluster, b, a));
        assert_ne!(RoomId::derive_room(cluster, a, request), RoomId::derive_room(cluster, b, request));
        assert_eq!(
            RoomId::derive_room(cluster, a, request).to_string(),
            include_str!("../tests/golden/room_id.txt").trim()
        );
    }

    #[test]
    fn slots_are_the_first_12_bits() {
        let mut bytes = [0; 16];
        bytes[0] = 0xab;
        bytes[1] = 0xcd;
        assert_eq!(RoomId::from_bytes(bytes).slot(), 0xabc);
    }
}
