//! What became of a meta command.

use crate::ids::PersonId;
use crate::refusal::Refusal;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// What became of one meta command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetaOutcome {
    /// It is in force.
    Committed {
        /// The view's revision that has it.
        revision: u64,
        /// The entry's time, microseconds UTC.
        time_us: i64,
        /// The request was done before: this is the first answer.
        repeated: bool,
    },
    /// To an enrolment: the person's id, perhaps an older one than was offered.
    Enrolled {
        /// The id.
        person: PersonId,
        /// The person's epoch.
        epoch: u64,
        /// Tokens issued before this are revoked, seconds since 1970.
        not_before_s: i64,
        /// The person had this id before.
        repeated: bool,
    },
    /// It has no effect.
    Refused(Refusal),
}

impl MetaOutcome {
    /// The versioned bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Committed { revision, time_us, repeated } => {
                out.put_u8(1);
                out.put_varint(*revision);
                out.put_i64(*time_us);
                out.put_u8(u8::from(*repeated));
            }
            Self::Enrolled { person, epoch, not_before_s, repeated } => {
                out.put_u8(2);
                out.put_array(person.as_bytes());
                out.put_varint(*epoch);
                out.put_i64(*not_before_s);
                out.put_u8(u8::from(*repeated));
            }
            Self::Refused(refusal) => {
                out.put_u8(3);
                out.put_u16(refusal.number());
            }
        }
        out
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "meta outcome");
        r.version(VERSION)?;
        let outcome = match r.u8()? {
            1 => Self::Committed { revision: r.varint()?, time_us: r.i64()?, repeated: flag(&mut r)? },
            2 => Self::Enrolled {
                person: PersonId::from_bytes(r.array()?),
                epoch: r.varint()?,
                not_before_s: r.i64()?,
                repeated: flag(&mut r)?,
            },
            3 => Self::Refused(Refusal::from_number(r.u16()?).ok_or(r.malformed())?),
            _ => return Err(r.malformed()),
        };
        r.end()?;
        Ok(outcome)
    }
}

fn flag(r: &mut Reader<'_>) -> Result<bool, CodecError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.malformed()),
    }
}
