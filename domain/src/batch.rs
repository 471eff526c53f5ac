//! A batch of commands: the payload of one Raft entry of a room shard.

use bytes::Bytes;

use crate::command::{Command, MIN_COMMAND_BYTES};
use crate::limits::MAX_BATCH_COMMANDS;
use crate::wire::{CodecError, Reader, Write};

/// 1 had no bytes of bits: each command named all that it has.
const VERSION: u8 = 2;

/// Commands, in the order in which they are applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// At most 1,024.
    pub commands: Vec<Command>,
}

impl AsRef<Batch> for Batch {
    fn as_ref(&self) -> &Batch {
        self
    }
}

impl Batch {
    /// The versioned bytes.
    pub fn encode(&self) -> Bytes {
        let len = self.commands.iter().map(Command::encoded_len).sum::<usize>();
        let mut out = Vec::with_capacity(len + 8);
        out.put_u8(VERSION);
        out.put_varint(self.commands.len() as u64);
        let mut before = None;
        for command in &self.commands {
            command.encode(before, &mut out);
            before = Some(command);
        }
        out.into()
    }

    /// Reads what `encode` wrote; the contents share `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::sharing(bytes, "batch");
        reader.version(VERSION)?;
        let count = reader.count(MAX_BATCH_COMMANDS)?;
        let mut commands: Vec<Command> = Vec::with_capacity(count.min(bytes.len() / MIN_COMMAND_BYTES));
        for _ in 0..count {
            commands.push(Command::decode(commands.last(), &mut reader)?);
        }
        reader.end()?;
        Ok(Self { commands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Action;
    use crate::content::Content;
    use crate::ids::RoomId;
    use crate::testkit::{ANN, BOB, ROOM, command};

    #[test]
    fn what_a_command_has_in_common_with_the_one_before_is_not_repeated() {
        let other = RoomId::from_bytes([0x11; 16]);
        let send = |n, actor, room, stamp_us| Command {
            stamp_us,
            ..command(n, actor, Action::SendMessage { room }, &Content::text("hello"))
        };
        let lens = |commands: &[Command]| Batch { commands: commands.to_vec() }.encode().len();
        let first = send(1, ANN, ROOM, 5);
        let alone = lens(std::slice::from_ref(&first)) - 2;
        // Stamp, policy and rule are 10 bytes here.
        for (second, shared) in [
            (send(2, ANN, ROOM, 5), 42),
            (send(2, BOB, ROOM, 5), 26),
            (send(2, ANN, other, 5), 26),
            (send(2, ANN, ROOM, 6), 32),
            (send(2, BOB, other, 6), 0),
        ] {
            let commands = vec![first.clone(), second];
            assert_eq!(lens(&commands), 2 + 2 * alone - shared);
            let batch = Batch { commands };
            assert_eq!(Batch::decode(&batch.encode()), Ok(batch));
        }
    }

    #[test]
    fn there_is_one_way_to_write_a_batch() {
        let refused = Action::Refused { room: Some(ROOM), reason: 3, count: 1, first_us: 1, last_us: 2 };
        let commands = vec![
            command(1, ANN, refused, &Content::default()),
            command(2, ANN, Action::Leave { room: ROOM }, &Content::default()),
        ];
        let bytes = Batch { commands }.encode().to_vec();
        assert!(Batch::decode(&bytes.clone().into()).is_ok());
        for bits in 1..=u8::MAX {
            let mut damaged = bytes.clone();
            damaged[2] = bits;
            assert!(Batch::decode(&damaged.into()).is_err(), "the first command has none before it: {bits}");
        }
    }
}
