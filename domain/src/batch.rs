//! A batch of commands: the payload of one Raft entry of a room shard.

use bytes::Bytes;

use crate::command::{Command, MIN_COMMAND_BYTES};
use crate::limits::MAX_BATCH_COMMANDS;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

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
        for command in &self.commands {
            command.encode(&mut out);
        }
        out.into()
    }

    /// Reads what `encode` wrote; the contents share `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::sharing(bytes, "batch");
        reader.version(VERSION)?;
        let count = reader.count(MAX_BATCH_COMMANDS)?;
        let mut commands = Vec::with_capacity(count.min(bytes.len() / MIN_COMMAND_BYTES));
        for _ in 0..count {
            commands.push(Command::decode(&mut reader)?);
        }
        reader.end()?;
        Ok(Self { commands })
    }
}
