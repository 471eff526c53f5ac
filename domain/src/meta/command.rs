//! Commands of the meta group. All their strings are content: sealed in the log, committed to in the record.

use bytes::Bytes;

use super::view::NodeInfo;
use crate::command::MIN_COMMAND_BYTES;
use crate::ids::{ClusterId, NodeId, PersonId, RequestId, RoomId, ShardId};
use crate::kind::Kind;
use crate::limits::{
    MAX_ISSUER_BYTES, MAX_META_BYTES, MAX_META_COMMANDS, MAX_NODE_TEXT_BYTES, MAX_NODES, MAX_SHARDS, MAX_SUBJECT_BYTES,
    MAX_TOKEN_ID_BYTES, MAX_VOTERS,
};
use crate::sealed::{Salt, Sealed};
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// What somebody wants of the meta group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaCommand {
    /// The name of this intent; its scope is the actor.
    pub request: RequestId,
    /// Who wants it; [`PersonId::SYSTEM`] for the cluster itself.
    pub actor: PersonId,
    /// The leader's clock, microseconds UTC.
    pub stamp_us: i64,
    /// The version of the policy that permitted it.
    pub policy: u64,
    /// The rule that permitted it.
    pub rule: u16,
    /// Drawn by the proposer.
    pub salt: Salt,
    /// What is wanted.
    pub action: MetaAction,
}

/// What can be wanted of the meta group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetaAction {
    /// The cluster begins.
    Found {
        /// Its id.
        cluster: ClusterId,
        /// Its nodes, all active.
        nodes: Vec<NodeInfo>,
        /// Voters of the meta group.
        meta: Vec<NodeId>,
        /// The room shards, by ordinal, and their voters.
        shards: Vec<(ShardId, Vec<NodeId>)>,
    },
    /// Gives a person an id, unless the person has one.
    EnrollPerson {
        /// The id to give.
        person: PersonId,
        /// The tokens' issuer.
        issuer: String,
        /// The tokens' subject.
        subject: String,
    },
    /// Ends a token.
    RevokeToken {
        /// Its id (`jti`).
        token: String,
        /// When it expires, or a bound on that; it is remembered until then. Seconds since 1970; 0 if nobody knows, so that
        /// a repeated request is the same one.
        expires_s: i64,
    },
    /// Ends all of a person's tokens that were issued until now.
    RevokePerson {
        /// Whose.
        person: PersonId,
        /// Tokens issued before this are revoked, seconds since 1970; 0: up to the second of the entry's own time, that
        /// one included.
        not_before_s: i64,
    },
    /// A node is there, or has another address.
    RegisterNode(NodeInfo),
    /// A standby node takes its share.
    ActivateNode(NodeId),
    /// A node gives up its shards.
    DecommissionNode(NodeId),
    /// A node without replicas is gone for good.
    RetireNode(NodeId),
    /// A shard has other voters.
    SetPlacement {
        /// Which; the meta group included.
        shard: ShardId,
        /// Its voters; the first one is preferred as leader.
        voters: Vec<NodeId>,
        /// The epoch after the one that the proposer has seen.
        epoch: u64,
    },
    /// A room has another shard.
    MoveRoom {
        /// Which.
        room: RoomId,
        /// The shard's ordinal.
        shard: u16,
        /// Above the epoch of the move before.
        epoch: u64,
    },
    /// A policy comes into force.
    SetPolicy(u64),
}

impl MetaAction {
    /// The kind of entry that it makes.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Found { .. } => Kind::ClusterFounded,
            Self::EnrollPerson { .. } => Kind::PersonEnrolled,
            Self::RevokeToken { .. } => Kind::TokenRevoked,
            Self::RevokePerson { .. } => Kind::PersonRevoked,
            Self::RegisterNode(_) => Kind::NodeRegistered,
            Self::ActivateNode(_) => Kind::NodeActivated,
            Self::DecommissionNode(_) => Kind::NodeDecommissioning,
            Self::RetireNode(_) => Kind::NodeRetired,
            Self::SetPlacement { .. } => Kind::PlacementSet,
            Self::MoveRoom { .. } => Kind::RoomMoved,
            Self::SetPolicy(_) => Kind::PolicySet,
        }
    }

    /// All fields, canonical: what the record commits to.
    pub(crate) fn content(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Found { cluster, nodes, meta, shards } => {
                out.put_array(cluster.as_bytes());
                out.put_varint(nodes.len() as u64);
                nodes.iter().for_each(|node| encode_node(node, &mut out));
                encode_voters(meta, &mut out);
                out.put_varint(shards.len() as u64);
                for (shard, voters) in shards {
                    out.put_array(shard.as_bytes());
                    encode_voters(voters, &mut out);
                }
            }
            Self::EnrollPerson { person, issuer, subject } => {
                out.put_array(person.as_bytes());
                out.put_blob(issuer.as_bytes());
                out.put_blob(subject.as_bytes());
            }
            Self::RevokeToken { token, expires_s } => {
                out.put_blob(token.as_bytes());
                out.put_i64(*expires_s);
            }
            Self::RevokePerson { person, not_before_s } => {
                out.put_array(person.as_bytes());
                out.put_i64(*not_before_s);
            }
            Self::RegisterNode(node) => encode_node(node, &mut out),
            Self::ActivateNode(node) | Self::DecommissionNode(node) | Self::RetireNode(node) => out.put_u64(*node),
            Self::SetPlacement { shard, voters, epoch } => {
                out.put_array(shard.as_bytes());
                encode_voters(voters, &mut out);
                out.put_varint(*epoch);
            }
            Self::MoveRoom { room, shard, epoch } => {
                out.put_array(room.as_bytes());
                out.put_u16(*shard);
                out.put_varint(*epoch);
            }
            Self::SetPolicy(version) => out.put_varint(*version),
        }
        out.into()
    }

    fn from_content(kind: Kind, content: &[u8]) -> Result<Self, CodecError> {
        let r = &mut Reader::new(content, "meta command");
        let action = match kind {
            Kind::ClusterFounded => decode_found(r)?,
            Kind::PersonEnrolled => Self::EnrollPerson {
                person: PersonId::from_bytes(r.array()?),
                issuer: r.text(MAX_ISSUER_BYTES)?.to_owned(),
                subject: r.text(MAX_SUBJECT_BYTES)?.to_owned(),
            },
            Kind::TokenRevoked => {
                Self::RevokeToken { token: r.text(MAX_TOKEN_ID_BYTES)?.to_owned(), expires_s: r.i64()? }
            }
            Kind::PersonRevoked => {
                Self::RevokePerson { person: PersonId::from_bytes(r.array()?), not_before_s: r.i64()? }
            }
            Kind::NodeRegistered => Self::RegisterNode(decode_node(r)?),
            Kind::NodeActivated => Self::ActivateNode(r.u64()?),
            Kind::NodeDecommissioning => Self::DecommissionNode(r.u64()?),
            Kind::NodeRetired => Self::RetireNode(r.u64()?),
            Kind::PlacementSet => Self::SetPlacement {
                shard: ShardId::from_bytes(r.array()?),
                voters: decode_voters(r)?,
                epoch: r.varint()?,
            },
            Kind::RoomMoved => {
                Self::MoveRoom { room: RoomId::from_bytes(r.array()?), shard: r.u16()?, epoch: r.varint()? }
            }
            Kind::PolicySet => Self::SetPolicy(r.varint()?),
            _ => return Err(r.malformed()),
        };
        r.end()?;
        Ok(action)
    }
}

impl MetaCommand {
    /// The versioned bytes of one command, as nodes forward it.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        self.encode_to(&mut out);
        out.into()
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::sharing(bytes, "meta command");
        r.version(VERSION)?;
        let command = Self::decode_from(&mut r)?;
        r.end()?;
        Ok(command)
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        out.put_array(self.request.as_bytes());
        out.put_array(self.actor.as_bytes());
        out.put_i64(self.stamp_us);
        out.put_varint(self.policy);
        out.put_varint(u64::from(self.rule));
        out.put_array(&self.salt.0);
        out.put_u16(self.action.kind().number());
        Sealed::clear(self.action.content()).encode(out);
    }

    fn decode_from(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (request, actor) = (RequestId::from_bytes(r.array()?), PersonId::from_bytes(r.array()?));
        let (stamp_us, policy) = (r.i64()?, r.varint()?);
        let rule = u16::try_from(r.varint()?).map_err(|_| r.malformed())?;
        let salt = Salt(r.array()?);
        let kind = Kind::from_number(r.u16()?).ok_or(r.malformed())?;
        let content = Sealed::decode_bounded(r, MAX_META_BYTES)?;
        let action = MetaAction::from_content(kind, &content.open())?;
        Ok(Self { request, actor, stamp_us, policy, rule, salt, action })
    }
}

/// A batch of meta commands: the payload of one Raft entry of the meta group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetaBatch {
    /// At most 256.
    pub commands: Vec<MetaCommand>,
}

impl MetaBatch {
    /// The versioned bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.put_varint(self.commands.len() as u64);
        self.commands.iter().for_each(|command| command.encode_to(&mut out));
        out.into()
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::sharing(bytes, "meta batch");
        r.version(VERSION)?;
        let count = r.count(MAX_META_COMMANDS)?;
        let mut commands = Vec::with_capacity(count.min(bytes.len() / MIN_COMMAND_BYTES));
        for _ in 0..count {
            commands.push(MetaCommand::decode_from(&mut r)?);
        }
        r.end()?;
        Ok(Self { commands })
    }
}

fn decode_found(r: &mut Reader<'_>) -> Result<MetaAction, CodecError> {
    let cluster = ClusterId::from_bytes(r.array()?);
    let count = r.count(MAX_NODES)?;
    let nodes = (0..count).map(|_| decode_node(r)).collect::<Result<_, _>>()?;
    let meta = decode_voters(r)?;
    let count = r.count(MAX_SHARDS)?;
    let mut shards = Vec::with_capacity(count.min(r.rest().len() / 17));
    for _ in 0..count {
        shards.push((ShardId::from_bytes(r.array()?), decode_voters(r)?));
    }
    Ok(MetaAction::Found { cluster, nodes, meta, shards })
}

pub(super) fn encode_node(node: &NodeInfo, out: &mut Vec<u8>) {
    out.put_u64(node.id);
    for text in [&node.name, &node.site, &node.address] {
        out.put_blob(text.as_bytes());
    }
}

pub(super) fn decode_node(r: &mut Reader<'_>) -> Result<NodeInfo, CodecError> {
    let id = r.u64()?;
    let mut text = || r.text(MAX_NODE_TEXT_BYTES).map(str::to_owned);
    Ok(NodeInfo { id, name: text()?, site: text()?, address: text()? })
}

pub(super) fn encode_voters(voters: &[NodeId], out: &mut Vec<u8>) {
    out.put_varint(voters.len() as u64);
    voters.iter().for_each(|voter| out.put_u64(*voter));
}

pub(super) fn decode_voters(r: &mut Reader<'_>) -> Result<Vec<NodeId>, CodecError> {
    let count = r.count(MAX_VOTERS)?;
    (0..count).map(|_| r.u64()).collect()
}
