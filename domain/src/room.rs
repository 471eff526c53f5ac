//! A room's state: the row that every command in the room reads and writes. Without content: the name is that of
//! entry 1, and the topic that of the entry which set it, so that erasing an entry erases all.

use crate::ids::PersonId;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The one with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number in every format, and on the wire.
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

numbered! {
    /// What a member may do.
    Role {
        /// Reads, speaks, and governs the room.
        Owner = 1,
        /// Reads, speaks, invites.
        Member = 2,
        /// Reads and speaks.
        Guest = 3,
    }
}

numbered! {
    /// Who may find and enter a room.
    Visibility {
        /// Everybody finds it and may join; members see all of its history.
        Public = 1,
        /// Only members know of it; they see what happened since they came.
        Private = 2,
        /// Two people, for good.
        Direct = 3,
    }
}

/// A room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// Who may find and enter it.
    pub visibility: Visibility,
    /// Whether it takes commands; closed while it moves to another shard.
    pub open: bool,
    /// Its newest seq.
    pub head: u64,
    /// When it was created, microseconds UTC.
    pub created_us: i64,
    /// Members at present.
    pub members: u64,
    /// Owners among them.
    pub owners: u64,
    /// Messages so far, the redacted ones included.
    pub messages: u64,
    /// The entry that set the topic; 1 at first.
    pub topic_seq: u64,
    /// Direct: the two people.
    pub pair: Option<[PersonId; 2]>,
}

impl Room {
    /// The other person of a direct room.
    pub fn peer(&self, person: PersonId) -> Option<PersonId> {
        match self.pair {
            Some([a, b]) if a == person => Some(b),
            Some([a, b]) if b == person => Some(a),
            _ => None,
        }
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_u8(self.visibility.number());
        out.put_u8(u8::from(self.open));
        out.put_i64(self.created_us);
        for number in [self.head, self.members, self.owners, self.messages, self.topic_seq] {
            out.put_varint(number);
        }
        if let Some([a, b]) = &self.pair {
            out.put_array(a.as_bytes());
            out.put_array(b.as_bytes());
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "room row");
        r.version(VERSION)?;
        let visibility = Visibility::from_number(r.u8()?).ok_or(r.malformed())?;
        let open = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(r.malformed()),
        };
        let created_us = r.i64()?;
        let (head, members, owners) = (r.varint()?, r.varint()?, r.varint()?);
        let (messages, topic_seq) = (r.varint()?, r.varint()?);
        let pair = match visibility {
            Visibility::Direct => Some([PersonId::from_bytes(r.array()?), PersonId::from_bytes(r.array()?)]),
            _ => None,
        };
        r.end()?;
        Ok(Self { visibility, open, head, created_us, members, owners, messages, topic_seq, pair })
    }
}
