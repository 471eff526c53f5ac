//! The memory of requests: the same request id gives the same answer, for as long as the room is kept.

use bytes::Bytes;

use crate::bug::{self, Bug};
use crate::command::Command;
use crate::event::EventRow;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::sealed::{Commitment, Salt};
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// How the content of the first request can be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// By the event row at the outcome's seq, which holds salt and content, or the commitment.
    Event,
    /// By these.
    Salted(Salt, Commitment),
    /// The action takes no content.
    Nothing,
}

/// A row of [`crate::Table::Dedup`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DedupRow {
    /// The action's number.
    pub(crate) action: u16,
    /// The action's other fields.
    pub(crate) fields: Bytes,
    /// The first answer.
    pub(crate) outcome: Outcome,
    /// The first content.
    pub(crate) proof: Proof,
}

impl DedupRow {
    /// A row; `fields` writes the action's fields.
    pub(crate) fn encode(action: u16, outcome: &Outcome, proof: &Proof, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        Self::encode_to(&mut out, action, outcome, proof, fields);
        out
    }

    /// Writes a row; `fields` writes the action's fields.
    pub(crate) fn encode_to(
        out: &mut Vec<u8>,
        action: u16,
        outcome: &Outcome,
        proof: &Proof,
        fields: impl FnOnce(&mut Vec<u8>),
    ) {
        out.put_u8(VERSION);
        out.put_u16(action);
        outcome.encode_to(out);
        match proof {
            Proof::Event => out.put_u8(0),
            Proof::Salted(salt, commitment) => {
                out.put_u8(1);
                out.put_array(&salt.0);
                out.put_array(&commitment.0);
            }
            Proof::Nothing => out.put_u8(2),
        }
        fields(out);
    }

    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::sharing(bytes, "dedup row");
        r.version(VERSION)?;
        let action = r.u16()?;
        let outcome = Outcome::decode_from(&mut r)?;
        let proof = match r.u8()? {
            0 => Proof::Event,
            1 => Proof::Salted(Salt(r.array()?), Commitment(r.array()?)),
            2 => Proof::Nothing,
            _ => return Err(r.malformed()),
        };
        Ok(Self { action, fields: bytes.slice_ref(r.rest()), outcome, proof })
    }

    /// What to answer to a command with this request id: the first answer, or that the id is taken by another request.
    /// `event` finds the event row at a seq of the command's room.
    pub(crate) fn settle<E>(
        &self,
        command: &Command,
        event: impl FnOnce(u64) -> Result<Option<EventRow>, E>,
    ) -> Result<Outcome, E> {
        let same_content = match &self.proof {
            _ if !self.same_action(command) => false,
            _ if bug::is(Bug::DedupIgnoresContent) => true,
            Proof::Nothing => true,
            Proof::Salted(salt, commitment) => salt.commit(&command.content.bytes) == *commitment,
            Proof::Event => match self.outcome {
                Outcome::Committed { seq, .. } => event(seq)?.is_some_and(|row| row.has_content(command)),
                Outcome::Refused(_) => false,
            },
        };
        Ok(match self.outcome {
            _ if !same_content => Outcome::Refused(Refusal::RequestReused),
            Outcome::Committed { seq, time_us, .. } => Outcome::Committed { seq, time_us, repeated: true },
            refused => refused,
        })
    }

    fn same_action(&self, command: &Command) -> bool {
        let mut fields = Vec::with_capacity(40);
        command.action.encode_fields(&mut fields);
        self.action == command.action.number() && self.fields == fields
    }
}
