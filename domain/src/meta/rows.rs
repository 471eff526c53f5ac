//! The meta group's rows.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::command::{decode_node, decode_voters, encode_node, encode_voters};
use super::view::{MovedRoom, Node, NodeState, PersonEpoch, ShardPlace};
use crate::ids::{ClusterId, PersonId, ShardId};
use crate::limits::{MAX_ISSUER_BYTES, MAX_SUBJECT_BYTES, MAX_TOKEN_ID_BYTES, SLOTS};
use crate::rows::Table;
use crate::sealed::Sealed;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// The ordinal of the meta group, which is no room shard.
pub(super) const META_ORDINAL: u16 = u16::MAX;

/// The key of a pair of issuer and subject.
pub(super) fn subject_key(issuer: &str, subject: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(subject);
    hash.finalize().into()
}

/// The key of a revoked token.
pub(super) fn token_key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn read<T>(
    bytes: &[u8],
    what: &'static str,
    body: impl FnOnce(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut r = Reader::new(bytes, what);
    r.version(VERSION)?;
    let value = body(&mut r)?;
    r.end()?;
    Ok(value)
}

pub(super) fn encode_person(issuer: &str, subject: &str) -> Vec<u8> {
    let mut content = Vec::new();
    content.put_blob(issuer.as_bytes());
    content.put_blob(subject.as_bytes());
    let mut out = vec![VERSION];
    Sealed::clear(content.into()).encode(&mut out);
    out
}

/// Issuer and subject.
pub(super) fn decode_person(bytes: &[u8]) -> Result<(String, String), CodecError> {
    let content = read(bytes, "person row", Sealed::decode)?.open();
    let mut r = Reader::new(&content, "person row");
    let issuer = r.text(MAX_ISSUER_BYTES)?.to_owned();
    let subject = r.text(MAX_SUBJECT_BYTES)?.to_owned();
    r.end()?;
    Ok((issuer, subject))
}

pub(super) fn encode_subject(person: PersonId) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_array(person.as_bytes());
    out
}

pub(super) fn decode_subject(bytes: &[u8]) -> Result<PersonId, CodecError> {
    read(bytes, "subject row", |r| r.array().map(PersonId::from_bytes))
}

pub(super) fn encode_node_row(node: &Node) -> Vec<u8> {
    let mut out = vec![VERSION, node.state as u8];
    encode_node(&node.info, &mut out);
    out
}

pub(super) fn decode_node_row(bytes: &[u8]) -> Result<Node, CodecError> {
    read(bytes, "node row", |r| {
        let state = match r.u8()? {
            1 => NodeState::Standby,
            2 => NodeState::Active,
            3 => NodeState::Decommissioning,
            4 => NodeState::Decommissioned,
            _ => return Err(r.malformed()),
        };
        Ok(Node { info: decode_node(r)?, state })
    })
}

pub(super) fn encode_shard(ordinal: u16, place: &ShardPlace) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_u16(ordinal);
    out.put_varint(place.epoch);
    encode_voters(&place.voters, &mut out);
    out
}

pub(super) fn decode_shard(shard: ShardId, bytes: &[u8]) -> Result<(u16, ShardPlace), CodecError> {
    read(bytes, "shard row", |r| {
        let (ordinal, epoch) = (r.u16()?, r.varint()?);
        Ok((ordinal, ShardPlace { shard, epoch, voters: decode_voters(r)? }))
    })
}

pub(super) fn encode_slots(slots: &[u16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + 2 * slots.len());
    out.put_u8(VERSION);
    slots.iter().for_each(|slot| out.put_u16(*slot));
    out
}

pub(super) fn decode_slots(bytes: &[u8]) -> Result<Vec<u16>, CodecError> {
    read(bytes, "slots row", |r| (0..SLOTS).map(|_| r.u16()).collect())
}

pub(super) fn encode_moved(moved: MovedRoom) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_u16(moved.shard);
    out.put_varint(moved.epoch);
    out
}

pub(super) fn decode_moved(bytes: &[u8]) -> Result<MovedRoom, CodecError> {
    read(bytes, "moved row", |r| Ok(MovedRoom { shard: r.u16()?, epoch: r.varint()? }))
}

pub(super) fn encode_token(token: &str, expires_s: i64) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_i64(expires_s);
    Sealed::clear(Bytes::copy_from_slice(token.as_bytes())).encode(&mut out);
    out
}

pub(super) fn decode_token(bytes: &[u8]) -> Result<(String, i64), CodecError> {
    read(bytes, "revoked row", |r| {
        let expires_s = r.i64()?;
        let sealed = Sealed::decode_bounded(r, MAX_TOKEN_ID_BYTES)?;
        // Without its key it is no empty id, which would revoke nothing.
        let clear = Some(sealed).filter(|sealed| sealed.scheme == 0).ok_or(r.malformed())?;
        let token = String::from_utf8(clear.bytes.into()).map_err(|_| r.malformed())?;
        Ok((token, expires_s))
    })
}

pub(super) fn encode_epoch(epoch: PersonEpoch) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_varint(epoch.epoch);
    out.put_i64(epoch.not_before_s);
    out
}

pub(super) fn decode_epoch(bytes: &[u8]) -> Result<PersonEpoch, CodecError> {
    read(bytes, "epoch row", |r| Ok(PersonEpoch { epoch: r.varint()?, not_before_s: r.i64()? }))
}

/// Cluster, policy version, revision.
pub(super) fn encode_cluster(cluster: ClusterId, policy: u64, revision: u64) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_array(cluster.as_bytes());
    out.put_varint(policy);
    out.put_varint(revision);
    out
}

pub(super) fn decode_cluster(bytes: &[u8]) -> Result<(ClusterId, u64, u64), CodecError> {
    read(bytes, "cluster row", |r| Ok((ClusterId::from_bytes(r.array()?), r.varint()?, r.varint()?)))
}

/// Reads a row of meta's tables and writes it again; see [`crate::fuzzing`].
pub(crate) fn row(table: Table, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    Ok(match table {
        Table::Person => {
            let (issuer, subject) = decode_person(bytes)?;
            encode_person(&issuer, &subject)
        }
        Table::Subject => encode_subject(decode_subject(bytes)?),
        Table::Node => encode_node_row(&decode_node_row(bytes)?),
        Table::Shard => {
            let (ordinal, place) = decode_shard(ShardId::META, bytes)?;
            encode_shard(ordinal, &place)
        }
        Table::Slot => encode_slots(&decode_slots(bytes)?),
        Table::Moved => encode_moved(decode_moved(bytes)?),
        Table::Revoked => {
            let (token, expires_s) = decode_token(bytes)?;
            encode_token(&token, expires_s)
        }
        Table::Epoch => encode_epoch(decode_epoch(bytes)?),
        Table::Cluster => {
            let (cluster, policy, revision) = decode_cluster(bytes)?;
            encode_cluster(cluster, policy, revision)
        }
        _ => unreachable!("the other tables are the rooms'"),
    })
}
