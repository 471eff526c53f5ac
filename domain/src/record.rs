//! Entries of the audit record: a canonical header of opaque ids, and a commitment to the content.
//!
//! A leaf's preimage is `header ‖ commitment`. Header, version 1: version u8, kind u16, presence bits u16, shard 16,
//! index u64, time i64 (microseconds UTC), actor 16, request 16, policy version u64, rule u16, and then, each only if its
//! bit is set: bit 0 room 16, bit 1 seq u64, bit 2 person 16, bit 3 target u64, bit 4 role u8, bit 5 visibility u8,
//! bit 6 refused (action u16, reason u16, count u64, first i64, last i64), bit 7 node u64, bit 8 subject shard 16, bit 9 epoch u64.
//! All integers are big-endian.

use crate::ids::{NodeId, PersonId, RequestId, RoomId, ShardId};
use crate::kind::Kind;
use crate::room::{Role, Visibility};
use crate::sealed::Commitment;
use crate::tree::{Hash, leaf_hash};
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;
/// Of an encoded header: all that is always there.
const FIXED_BYTES: usize = 1 + 2 + 2 + 16 + 8 + 8 + 16 + 16 + 8 + 2;

/// Refusals that one entry stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedCount {
    /// The action's number; 0 if the entry stands for several.
    pub action: u16,
    /// The refusal's number.
    pub reason: u16,
    /// How many.
    pub count: u64,
    /// The first, microseconds UTC.
    pub first_us: i64,
    /// The last, microseconds UTC.
    pub last_us: i64,
}

/// All that is said of an entry besides its content. Opaque ids only: it can never be erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The shard whose record it is in.
    pub shard: ShardId,
    /// Its place in the record, from 0, without holes.
    pub index: u64,
    /// Its time, microseconds UTC; strictly increasing in a record.
    pub time_us: i64,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub actor: PersonId,
    /// The client's name for the intent.
    pub request: RequestId,
    /// The version of the policy in force.
    pub policy: u64,
    /// The rule that allowed it; 0 if it was refused.
    pub rule: u16,
    /// Where.
    pub room: Option<RoomId>,
    /// The room's seq that it has.
    pub seq: Option<u64>,
    /// Whom it is about.
    pub person: Option<PersonId>,
    /// The seq that it is about; claimed: what the request id is used for.
    pub target: Option<u64>,
    /// The role that it gives.
    pub role: Option<Role>,
    /// The visibility that it gives.
    pub visibility: Option<Visibility>,
    /// What was refused, how often.
    pub refused: Option<RefusedCount>,
    /// meta: the node that it is about.
    pub node: Option<NodeId>,
    /// meta: the shard that it is about.
    pub subject_shard: Option<ShardId>,
    /// meta: the epoch that it makes, or the policy version.
    pub epoch: Option<u64>,
}

impl Header {
    /// A header without any of the optional fields.
    pub fn new(shard: ShardId, index: u64, time_us: i64, kind: Kind, actor: PersonId, request: RequestId) -> Self {
        Self {
            shard,
            index,
            time_us,
            kind,
            actor,
            request,
            policy: 0,
            rule: 0,
            room: None,
            seq: None,
            person: None,
            target: None,
            role: None,
            visibility: None,
            refused: None,
            node: None,
            subject_shard: None,
            epoch: None,
        }
    }

    /// The canonical bytes, at most 256.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        self.encode_to(&mut out);
        out
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        let mut fixed = [0; FIXED_BYTES];
        fixed[0] = VERSION;
        fixed[1..3].copy_from_slice(&self.kind.number().to_be_bytes());
        fixed[3..5].copy_from_slice(&self.presence().to_be_bytes());
        fixed[5..21].copy_from_slice(self.shard.as_bytes());
        fixed[21..29].copy_from_slice(&self.index.to_be_bytes());
        fixed[29..37].copy_from_slice(&self.time_us.to_be_bytes());
        fixed[37..53].copy_from_slice(self.actor.as_bytes());
        fixed[53..69].copy_from_slice(self.request.as_bytes());
        fixed[69..77].copy_from_slice(&self.policy.to_be_bytes());
        fixed[77..].copy_from_slice(&self.rule.to_be_bytes());
        out.put_array(&fixed);
        if let Some(room) = &self.room {
            out.put_array(room.as_bytes());
        }
        if let Some(seq) = self.seq {
            out.put_u64(seq);
        }
        if let Some(person) = &self.person {
            out.put_array(person.as_bytes());
        }
        if let Some(target) = self.target {
            out.put_u64(target);
        }
        if let Some(role) = self.role {
            out.put_u8(role.number());
        }
        if let Some(visibility) = self.visibility {
            out.put_u8(visibility.number());
        }
        if let Some(refused) = &self.refused {
            out.put_u16(refused.action);
            out.put_u16(refused.reason);
            out.put_u64(refused.count);
            out.put_i64(refused.first_us);
            out.put_i64(refused.last_us);
        }
        if let Some(node) = self.node {
            out.put_u64(node);
        }
        if let Some(shard) = &self.subject_shard {
            out.put_array(shard.as_bytes());
        }
        if let Some(epoch) = self.epoch {
            out.put_u64(epoch);
        }
    }

    fn presence(&self) -> u16 {
        let bits = [
            self.room.is_some(),
            self.seq.is_some(),
            self.person.is_some(),
            self.target.is_some(),
            self.role.is_some(),
            self.visibility.is_some(),
            self.refused.is_some(),
            self.node.is_some(),
            self.subject_shard.is_some(),
            self.epoch.is_some(),
        ];
        bits.iter().enumerate().map(|(bit, set)| u16::from(*set) << bit).sum()
    }

    /// Reads the canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "record header");
        r.version(VERSION)?;
        let kind = Kind::from_number(r.u16()?).ok_or(r.malformed())?;
        let presence = r.u16()?;
        if presence >= 1 << 10 {
            return Err(r.malformed());
        }
        let shard = ShardId::from_bytes(r.array()?);
        let (index, time_us) = (r.u64()?, r.i64()?);
        let (actor, request) = (PersonId::from_bytes(r.array()?), RequestId::from_bytes(r.array()?));
        let mut header = Self::new(shard, index, time_us, kind, actor, request);
        (header.policy, header.rule) = (r.u64()?, r.u16()?);
        let has = |bit: u32| presence & (1 << bit) != 0;
        if has(0) {
            header.room = Some(RoomId::from_bytes(r.array()?));
        }
        if has(1) {
            header.seq = Some(r.u64()?);
        }
        if has(2) {
            header.person = Some(PersonId::from_bytes(r.array()?));
        }
        if has(3) {
            header.target = Some(r.u64()?);
        }
        if has(4) {
            header.role = Some(Role::from_number(r.u8()?).ok_or(r.malformed())?);
        }
        if has(5) {
            header.visibility = Some(Visibility::from_number(r.u8()?).ok_or(r.malformed())?);
        }
        if has(6) {
            let (action, reason, count) = (r.u16()?, r.u16()?, r.u64()?);
            header.refused = Some(RefusedCount { action, reason, count, first_us: r.i64()?, last_us: r.i64()? });
        }
        if has(7) {
            header.node = Some(r.u64()?);
        }
        if has(8) {
            header.subject_shard = Some(ShardId::from_bytes(r.array()?));
        }
        if has(9) {
            header.epoch = Some(r.u64()?);
        }
        r.end()?;
        Ok(header)
    }
}

/// The leaf hash of an entry: SHA-256(0x00 ‖ header ‖ commitment).
pub fn entry_hash(header: &[u8], commitment: &Commitment) -> Hash {
    leaf_hash(&[header, &commitment.0])
}
