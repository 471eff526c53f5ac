//! What became of a command.

use crate::refusal::Refusal;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// What became of one command. (A client's third case, unknown, is the lack of an outcome.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in the record, for good.
    Committed {
        /// The room's seq that it made; the mark for a read mark; 0 for what is not in a room.
        seq: u64,
        /// The entry's time, microseconds UTC.
        time_us: i64,
        /// The request was done before: this is the first answer.
        repeated: bool,
    },
    /// It has no effect.
    Refused(Refusal),
}

impl Outcome {
    /// The versioned bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20);
        out.put_u8(VERSION);
        self.encode_to(&mut out);
        out
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "outcome");
        reader.version(VERSION)?;
        let outcome = Self::decode_from(&mut reader)?;
        reader.end()?;
        Ok(outcome)
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Committed { seq, time_us, repeated } => {
                out.put_u8(if repeated { 2 } else { 1 });
                out.put_varint(seq);
                out.put_i64(time_us);
            }
            Self::Refused(refusal) => {
                out.put_u8(3);
                out.put_u16(refusal.number());
            }
        }
    }

    pub(crate) fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let tag = reader.u8()?;
        match tag {
            1 | 2 => Ok(Self::Committed { seq: reader.varint()?, time_us: reader.i64()?, repeated: tag == 2 }),
            3 => {
                let number = reader.u16()?;
                Refusal::from_number(number).map(Self::Refused).ok_or(reader.malformed())
            }
            _ => Err(reader.malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn outcomes_come_back(seq: u64, time_us: i64, repeated: bool, at in 0..Refusal::ALL.len()) {
            for outcome in [Outcome::Committed { seq, time_us, repeated }, Outcome::Refused(Refusal::ALL[at])] {
                prop_assert_eq!(Outcome::decode(&outcome.encode()), Ok(outcome));
            }
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Outcome::decode(&bytes);
        }
    }
}
