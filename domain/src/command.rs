//! Commands: what a proposer puts into a shard's log. All dice and clocks are read before, by the proposer.

use crate::ids::{PersonId, RequestId, RoomId};
use crate::kind::Kind;
use crate::limits::MAX_BATCH_BYTES;
use crate::room::{Role, Visibility};
use crate::sealed::{Salt, Sealed};
use crate::wire::{CodecError, Reader, Write};

/// What somebody wants done, decided by policy and stamped by the leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// The client's name for this intent.
    pub request: RequestId,
    /// Who wants it.
    pub actor: PersonId,
    /// The leader's clock, microseconds UTC.
    pub stamp_us: i64,
    /// The version of the policy that permitted it.
    pub policy: u64,
    /// The rule that permitted it, as the proposer saw the room.
    pub rule: u16,
    /// Drawn by the proposer.
    pub salt: Salt,
    /// Text, name, topic, reason: see [`crate::Content`].
    pub content: Sealed,
    /// What is wanted.
    pub action: Action,
}

/// What can be wanted of a room shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Creates a room; direct rooms name the other person.
    CreateRoom {
        /// The room, see [`RoomId::derive_room`].
        room: RoomId,
        /// Who may find and enter it.
        visibility: Visibility,
        /// Direct: the other person.
        peer: Option<PersonId>,
    },
    /// Says something.
    SendMessage {
        /// Where.
        room: RoomId,
    },
    /// Puts a new text in the place of an own message.
    EditMessage {
        /// Where.
        room: RoomId,
        /// The message's seq.
        target: u64,
    },
    /// Hides a message.
    RedactMessage {
        /// Where.
        room: RoomId,
        /// The message's seq.
        target: u64,
    },
    /// Enters a public room.
    Join {
        /// Which.
        room: RoomId,
    },
    /// Leaves a room.
    Leave {
        /// Which.
        room: RoomId,
    },
    /// Makes somebody a member.
    Invite {
        /// Of which room.
        room: RoomId,
        /// Whom.
        person: PersonId,
        /// As what.
        role: Role,
    },
    /// Removes a member.
    Remove {
        /// From which room.
        room: RoomId,
        /// Whom.
        person: PersonId,
    },
    /// Changes a member's role.
    SetRole {
        /// Where.
        room: RoomId,
        /// Whose.
        person: PersonId,
        /// To what.
        role: Role,
    },
    /// Changes the topic.
    SetTopic {
        /// Of which room.
        room: RoomId,
    },
    /// Moves the actor's read mark; never back. Replicated, but no record entry.
    MarkRead {
        /// Where.
        room: RoomId,
        /// All up to here is read.
        seq: u64,
    },
    /// Takes a request id in the person's own scope.
    Claim {
        /// What the id is used for.
        method: u16,
    },
    /// Records refusals that a proposer or a router has counted.
    Refused {
        /// The room that it was about, if one.
        room: Option<RoomId>,
        /// The refusal's number.
        reason: u16,
        /// How many.
        count: u64,
        /// The first, microseconds UTC.
        first_us: i64,
        /// The last, microseconds UTC.
        last_us: i64,
    },
}

/// The number of [`Action::MarkRead`], the one action that is no kind of record entry.
pub const MARK_READ: u16 = 256;

/// No command has less bytes in a batch: bits, request id, salt, the action's number and an empty envelope.
pub(crate) const MIN_COMMAND_BYTES: usize = 1 + 16 + 32 + 2 + 2;

/// The bits that say what a command has in common with the one before it in a batch: people send in bursts, to one room, and
/// what leaves together was stamped together.
mod same {
    /// Stamp, policy and rule.
    pub(super) const STAMP: u8 = 1;
    pub(super) const ACTOR: u8 = 1 << 1;
    /// The action's room.
    pub(super) const ROOM: u8 = 1 << 2;
    pub(super) const ALL: u8 = STAMP | ACTOR | ROOM;
}

impl Action {
    /// Its stable number: that of the kind of entry that it makes, or [`MARK_READ`].
    pub const fn number(&self) -> u16 {
        match self.kind() {
            Some(kind) => kind.number(),
            None => MARK_READ,
        }
    }

    /// The kind of entry that it makes.
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::CreateRoom { .. } => Kind::RoomCreated,
            Self::SendMessage { .. } => Kind::Message,
            Self::EditMessage { .. } => Kind::Edit,
            Self::RedactMessage { .. } => Kind::Redaction,
            Self::Join { .. } => Kind::Joined,
            Self::Leave { .. } => Kind::Left,
            Self::Invite { .. } => Kind::Invited,
            Self::Remove { .. } => Kind::Removed,
            Self::SetRole { .. } => Kind::Role,
            Self::SetTopic { .. } => Kind::Topic,
            Self::MarkRead { .. } => return None,
            Self::Claim { .. } => Kind::Claimed,
            Self::Refused { .. } => Kind::Refused,
        })
    }

    /// The room that it is about.
    pub const fn room(&self) -> Option<RoomId> {
        match *self {
            Self::CreateRoom { room, .. }
            | Self::SendMessage { room }
            | Self::EditMessage { room, .. }
            | Self::RedactMessage { room, .. }
            | Self::Join { room }
            | Self::Leave { room }
            | Self::Invite { room, .. }
            | Self::Remove { room, .. }
            | Self::SetRole { room, .. }
            | Self::SetTopic { room }
            | Self::MarkRead { room, .. } => Some(room),
            Self::Claim { .. } => None,
            Self::Refused { room, .. } => room,
        }
    }

    /// The person whom it is about, besides the actor.
    pub const fn person(&self) -> Option<PersonId> {
        match *self {
            Self::CreateRoom { peer, .. } => peer,
            Self::Invite { person, .. } | Self::Remove { person, .. } | Self::SetRole { person, .. } => Some(person),
            _ => None,
        }
    }

    /// The seq that it is about.
    pub const fn target(&self) -> Option<u64> {
        match *self {
            Self::EditMessage { target, .. } | Self::RedactMessage { target, .. } => Some(target),
            _ => None,
        }
    }

    /// The scope of its request id: the room, else the person.
    pub const fn scope(&self, actor: PersonId) -> [u8; 16] {
        match self {
            Self::Claim { .. } | Self::Refused { .. } => *actor.as_bytes(),
            _ => match self.room() {
                Some(room) => *room.as_bytes(),
                None => *actor.as_bytes(),
            },
        }
    }

    /// The room that stands before the fields.
    fn leading_room(&self) -> Option<RoomId> {
        if matches!(self, Self::Refused { .. }) { None } else { self.room() }
    }

    /// Number, room unless it is that of the command before, fields.
    fn encode(&self, same_room: bool, out: &mut Vec<u8>) {
        out.put_u16(self.number());
        if let Some(room) = self.leading_room().filter(|_| !same_room) {
            out.put_array(room.as_bytes());
        }
        self.encode_fields(out);
    }

    /// The fields besides number and room: what must be the same when a request id comes again.
    pub(crate) fn encode_fields(&self, out: &mut Vec<u8>) {
        match *self {
            Self::CreateRoom { visibility, peer, .. } => {
                out.put_u8(visibility.number());
                out.put_u8(u8::from(peer.is_some()));
                if let Some(peer) = peer {
                    out.put_array(peer.as_bytes());
                }
            }
            Self::EditMessage { target, .. } | Self::RedactMessage { target, .. } => out.put_varint(target),
            Self::Invite { person, role, .. } | Self::SetRole { person, role, .. } => {
                out.put_array(person.as_bytes());
                out.put_u8(role.number());
            }
            Self::Remove { person, .. } => out.put_array(person.as_bytes()),
            Self::MarkRead { seq, .. } => out.put_varint(seq),
            Self::Claim { method } => out.put_u16(method),
            Self::Refused { room, reason, count, first_us, last_us } => {
                out.put_u8(u8::from(room.is_some()));
                if let Some(room) = room {
                    out.put_array(room.as_bytes());
                }
                out.put_u16(reason);
                out.put_varint(count);
                out.put_i64(first_us);
                out.put_i64(last_us);
            }
            Self::SendMessage { .. } | Self::Join { .. } | Self::Leave { .. } | Self::SetTopic { .. } => {}
        }
    }

    /// `room`: that of the command before, if it is this one's too.
    fn decode(room: Option<RoomId>, r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let read_room = |r: &mut Reader<'_>| room.map_or_else(|| r.array().map(RoomId::from_bytes), Ok);
        let number = r.u16()?;
        if number == MARK_READ {
            return Ok(Self::MarkRead { room: read_room(r)?, seq: r.varint()? });
        }
        let kind = Kind::from_number(number).ok_or(r.malformed())?;
        Ok(match kind {
            Kind::RoomCreated => Self::CreateRoom {
                room: read_room(r)?,
                visibility: Visibility::from_number(r.u8()?).ok_or(r.malformed())?,
                peer: read_option(r)?.map(PersonId::from_bytes),
            },
            Kind::Message => Self::SendMessage { room: read_room(r)? },
            Kind::Edit => Self::EditMessage { room: read_room(r)?, target: r.varint()? },
            Kind::Redaction => Self::RedactMessage { room: read_room(r)?, target: r.varint()? },
            Kind::Joined => Self::Join { room: read_room(r)? },
            Kind::Left => Self::Leave { room: read_room(r)? },
            Kind::Invited => Self::Invite { room: read_room(r)?, person: read_person(r)?, role: read_role(r)? },
            Kind::Removed => Self::Remove { room: read_room(r)?, person: read_person(r)? },
            Kind::Role => Self::SetRole { room: read_room(r)?, person: read_person(r)?, role: read_role(r)? },
            Kind::Topic => Self::SetTopic { room: read_room(r)? },
            Kind::Claimed => Self::Claim { method: r.u16()? },
            Kind::Refused => Self::Refused {
                room: read_option(r)?.map(RoomId::from_bytes),
                reason: r.u16()?,
                count: r.varint()?,
                first_us: r.i64()?,
                last_us: r.i64()?,
            },
            _ => return Err(r.malformed()),
        })
    }
}

impl Command {
    /// A bound on the bytes that it takes in a batch.
    pub fn encoded_len(&self) -> usize {
        131 + self.content.encoded_len()
    }

    /// What it has in common with the command before it.
    fn same(&self, before: &Self) -> u8 {
        let stamp = (self.stamp_us, self.policy, self.rule) == (before.stamp_us, before.policy, before.rule);
        let room = self.action.leading_room().is_some_and(|room| before.action.leading_room() == Some(room));
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        bit(stamp, same::STAMP) | bit(self.actor == before.actor, same::ACTOR) | bit(room, same::ROOM)
    }

    pub(crate) fn encode(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        let same = before.map_or(0, |before| self.same(before));
        out.put_u8(same);
        out.put_array(self.request.as_bytes());
        if same & same::ACTOR == 0 {
            out.put_array(self.actor.as_bytes());
        }
        if same & same::STAMP == 0 {
            out.put_i64(self.stamp_us);
            out.put_varint(self.policy);
            out.put_varint(u64::from(self.rule));
        }
        out.put_array(&self.salt.0);
        self.action.encode(same & same::ROOM != 0, out);
        self.content.encode(out);
    }

    pub(crate) fn decode(before: Option<&Self>, r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let same = r.u8()?;
        if same > before.map_or(0, |_| same::ALL) {
            return Err(r.malformed());
        }
        let shared = |bit: u8| before.filter(|_| same & bit != 0);
        let request = RequestId::from_bytes(r.array()?);
        let actor = match shared(same::ACTOR) {
            Some(before) => before.actor,
            None => read_person(r)?,
        };
        let (stamp_us, policy, rule) = match shared(same::STAMP) {
            Some(before) => (before.stamp_us, before.policy, before.rule),
            None => (r.i64()?, r.varint()?, u16::try_from(r.varint()?).map_err(|_| r.malformed())?),
        };
        let salt = Salt(r.array()?);
        let room = match shared(same::ROOM) {
            Some(before) => Some(before.action.leading_room().ok_or(r.malformed())?),
            None => None,
        };
        let action = Action::decode(room, r)?;
        let content = Sealed::decode(r)?;
        let command = Self { request, actor, stamp_us, policy, rule, salt, content, action };
        // There is one way to write it.
        if before.map_or(0, |before| command.same(before)) == same { Ok(command) } else { Err(r.malformed()) }
    }
}

fn read_person(r: &mut Reader<'_>) -> Result<PersonId, CodecError> {
    r.array().map(PersonId::from_bytes)
}

fn read_role(r: &mut Reader<'_>) -> Result<Role, CodecError> {
    Role::from_number(r.u8()?).ok_or(r.malformed())
}

fn read_option(r: &mut Reader<'_>) -> Result<Option<[u8; 16]>, CodecError> {
    match r.u8()? {
        0 => Ok(None),
        1 => r.array().map(Some),
        _ => Err(r.malformed()),
    }
}

const _: () = assert!(crate::limits::MAX_SEALED_BYTES < MAX_BATCH_BYTES);
