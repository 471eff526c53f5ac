//! An entry of a room as it is stored: the header's fields, the salt, the content, and what became of it.

use bytes::Bytes;

use crate::bug::{self, Bug};
use crate::command::Command;
use crate::entry::Entry;
use crate::ids::{PersonId, RequestId, RoomId, ShardId};
use crate::kind::Kind;
use crate::record::Header;
use crate::room::{Role, Visibility};
use crate::sealed::{Commitment, Salt, Sealed};
use crate::wire::{CodecError, Reader, Write};

/// Of an encoded entry, at most: kind, bits, state, time, actor, request.
const FIXED_BYTES: usize = 2 + 1 + 1 + 8 + 16 + 16;
/// The bits that say what of [`Common`] an entry does not have.
const OWN_TIME: u8 = 1 << 5;
const OWN_ACTOR: u8 = 1 << 6;

/// What a block's entries mostly have in common, so that it is stored once: a batch has one time, and often one speaker in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Common {
    time_us: i64,
    actor: PersonId,
}

impl Common {
    /// Bytes of it.
    pub(crate) const BYTES: usize = 8 + 16;

    pub(crate) fn of(row: &EventRow) -> Self {
        Self { time_us: row.time_us, actor: row.actor }
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        out.put_i64(self.time_us);
        out.put_array(self.actor.as_bytes());
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { time_us: r.i64()?, actor: PersonId::from_bytes(r.array()?) })
    }
}

/// What became of an entry's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentState {
    /// It is shown as it was said.
    Shown,
    /// An edit changed it; the row keeps the old text.
    Edited,
    /// A redaction hides it and its edits; the rows keep the texts.
    Redacted,
}

/// What is stored with an entry so that its commitment can be known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// The content, and the salt of its commitment.
    Kept {
        /// The salt.
        salt: Salt,
        /// The content.
        content: Sealed,
    },
    /// Erased, salt and all; only the commitment is left.
    Erased(Commitment),
}

impl Body {
    /// The commitment, made again where salt and content are kept.
    pub fn commitment(&self) -> Commitment {
        match self {
            Self::Kept { salt, content } => salt.commit(&content.bytes),
            Self::Erased(commitment) => *commitment,
        }
    }
}

/// One entry; a row of [`crate::Table::Event`] holds several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventRow {
    /// Its place in the shard's record.
    pub index: u64,
    /// Microseconds UTC.
    pub time_us: i64,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub actor: PersonId,
    /// The client's name for the intent.
    pub request: RequestId,
    /// The version of the policy that allowed it.
    pub policy: u64,
    /// The rule that allowed it.
    pub rule: u16,
    /// Whom it is about.
    pub person: Option<PersonId>,
    /// The seq that it is about.
    pub target: Option<u64>,
    /// The role that it gives.
    pub role: Option<Role>,
    /// The visibility that it gives.
    pub visibility: Option<Visibility>,
    /// Messages in the room up to here, this one included: unread counts are differences.
    pub messages: u64,
    /// The newest edit or redaction of it; 0 if there is none.
    pub changed_by: u64,
    /// What became of its content.
    pub state: ContentState,
    /// The content.
    pub body: Body,
}

impl EventRow {
    /// The commitment that its leaf holds.
    pub fn commitment(&self) -> Commitment {
        self.body.commitment()
    }

    /// Whether the command brings the same content, if that can still be known: after an erasure, its salt being gone, the
    /// request id alone decides.
    pub(crate) fn has_content(&self, command: &Command) -> bool {
        match &self.body {
            Body::Kept { salt, .. } => salt.commit(&command.content.bytes) == self.commitment(),
            Body::Erased(_) => true,
        }
    }

    /// Its header in the record of `shard`.
    pub fn header(&self, shard: ShardId, room: RoomId, seq: u64) -> Header {
        Header {
            policy: self.policy,
            rule: self.rule,
            room: Some(room),
            seq: Some(seq),
            person: self.person,
            target: self.target,
            role: self.role,
            visibility: self.visibility,
            ..Header::new(shard, self.index, self.time_us, self.kind, self.actor, self.request)
        }
    }

    fn is_redacted(&self) -> bool {
        self.state == ContentState::Redacted && !bug::is(Bug::RedactedStillShown)
    }

    /// The entry as members see it; `hidden`: without its content.
    pub fn entry(&self, seq: u64, hidden: bool) -> Entry {
        let content = match &self.body {
            Body::Kept { content, .. } if !hidden && !self.is_redacted() => content.open(),
            _ => Bytes::new(),
        };
        Entry {
            seq,
            time_us: self.time_us,
            kind: self.kind,
            actor: self.actor,
            person: self.person,
            target: self.target,
            role: self.role,
            visibility: self.visibility,
            content,
            changed_by: self.changed_by,
        }
    }

    /// A bound on the bytes that it takes.
    pub(crate) fn most_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Kept { content, .. } => content.encoded_len(),
            Body::Erased(_) => 0,
        };
        FIXED_BYTES + 5 * 10 + 16 + 10 + 1 + 1 + 32 + body
    }

    /// Appends what it has besides `common`.
    pub(crate) fn encode_to(&self, common: &Common, out: &mut Vec<u8>) {
        let own_time = if self.time_us == common.time_us { 0 } else { OWN_TIME };
        let own_actor = if self.actor == common.actor { 0 } else { OWN_ACTOR };
        let [high, low] = self.kind.number().to_be_bytes();
        out.put_array(&[high, low, self.bits() | own_time | own_actor, self.state as u8]);
        if own_time != 0 {
            out.put_i64(self.time_us);
        }
        if own_actor != 0 {
            out.put_array(self.actor.as_bytes());
        }
        out.put_array(self.request.as_bytes());
        for number in [self.index, self.policy, u64::from(self.rule), self.messages, self.changed_by] {
            out.put_varint(number);
        }
        if let Some(person) = &self.person {
            out.put_array(person.as_bytes());
        }
        if let Some(target) = self.target {
            out.put_varint(target);
        }
        if let Some(role) = self.role {
            out.put_u8(role.number());
        }
        if let Some(visibility) = self.visibility {
            out.put_u8(visibility.number());
        }
        match &self.body {
            Body::Kept { salt, content } => {
                out.put_array(&salt.0);
                content.encode(out);
            }
            Body::Erased(commitment) => out.put_array(&commitment.0),
        }
    }

    fn bits(&self) -> u8 {
        u8::from(self.person.is_some())
            | u8::from(self.target.is_some()) << 1
            | u8::from(self.role.is_some()) << 2
            | u8::from(self.visibility.is_some()) << 3
            | u8::from(matches!(self.body, Body::Erased(_))) << 4
    }

    /// Reads an entry of a block; the content shares `bytes`.
    pub(crate) fn decode(common: &Common, bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::sharing(bytes, "entry");
        let kind = Kind::from_number(r.u16()?).ok_or(r.malformed())?;
        let bits = r.u8()?;
        if bits >= OWN_ACTOR << 1 {
            return Err(r.malformed());
        }
        let state = match r.u8()? {
            0 => ContentState::Shown,
            1 => ContentState::Edited,
            2 => ContentState::Redacted,
            _ => return Err(r.malformed()),
        };
        let time_us = if bits & OWN_TIME != 0 { r.i64()? } else { common.time_us };
        let actor = if bits & OWN_ACTOR != 0 { PersonId::from_bytes(r.array()?) } else { common.actor };
        let request = RequestId::from_bytes(r.array()?);
        let (index, policy) = (r.varint()?, r.varint()?);
        let rule = u16::try_from(r.varint()?).map_err(|_| r.malformed())?;
        let (messages, changed_by) = (r.varint()?, r.varint()?);
        let has = |bit: u32| bits & (1 << bit) != 0;
        let person = if has(0) { Some(PersonId::from_bytes(r.array()?)) } else { None };
        let target = if has(1) { Some(r.varint()?) } else { None };
        let role = if has(2) { Some(Role::from_number(r.u8()?).ok_or(r.malformed())?) } else { None };
        let visibility = if has(3) { Some(Visibility::from_number(r.u8()?).ok_or(r.malformed())?) } else { None };
        let body = match has(4) {
            true => Body::Erased(Commitment(r.array()?)),
            false => Body::Kept { salt: Salt(r.array()?), content: Sealed::decode(&mut r)? },
        };
        r.end()?;
        Ok(Self {
            index,
            time_us,
            kind,
            actor,
            request,
            policy,
            rule,
            person,
            target,
            role,
            visibility,
            messages,
            changed_by,
            state,
            body,
        })
    }
}
