//! The format of a membership, in log entries and beside the applied mark.
//!
//! `configs u8`, each `voters u16, ids u64…` ascending; then `nodes u16`, each `id u64, name, site, address`, ascending by
//! id, a text being `length u16` and UTF-8. A stored membership is `0`, or `1, term u64, index u64`, and the membership.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::PayloadError;
use super::node_info::Member;
use super::types::{Membership, StoredMembership, log_id, parts};

/// Whether a membership is small enough for [`encode`]; all of ours are by far.
pub(super) fn fits(membership: &Membership) -> bool {
    let (configs, most) = (membership.get_joint_config(), usize::from(u16::MAX));
    let texts = |node: &Member| [&node.name, &node.site, &node.address].iter().all(|text| text.len() <= most);
    configs.len() <= usize::from(u8::MAX)
        && configs.iter().all(|voters| voters.len() <= most)
        && membership.nodes().count() <= most
        && membership.nodes().all(|(_, node)| texts(node))
}

/// Appends a membership to `out`.
pub(super) fn encode(membership: &Membership, out: &mut Vec<u8>) {
    let configs = membership.get_joint_config();
    out.push(u8::try_from(configs.len()).expect("a joint membership has at most two configurations"));
    for voters in configs {
        put_count(voters.len(), out);
        for id in voters {
            out.extend_from_slice(&id.to_be_bytes());
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    put_count(nodes.len(), out);
    for (id, node) in nodes {
        out.extend_from_slice(&id.to_be_bytes());
        for text in [&node.name, &node.site, &node.address] {
            put_count(text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Reads a membership; nothing may follow it.
pub(super) fn decode(bytes: &[u8]) -> Result<Membership, PayloadError> {
    let mut rest = bytes;
    let membership = read(&mut rest)?;
    if rest.is_empty() { Ok(membership) } else { Err(PayloadError::Malformed("bytes after the membership")) }
}

/// A membership and the entry that set it, as the applied mark keeps them.
pub(super) fn encode_stored(stored: &StoredMembership) -> Vec<u8> {
    let mut out = Vec::new();
    match stored.log_id() {
        None => out.push(0),
        Some(id) => {
            let (term, index) = parts(id);
            out.push(1);
            out.extend_from_slice(&term.to_be_bytes());
            out.extend_from_slice(&index.to_be_bytes());
        }
    }
    encode(stored.membership(), &mut out);
    out
}

/// Reads what [`encode_stored`] wrote; nothing at all is the empty membership.
pub(super) fn decode_stored(bytes: &[u8]) -> Result<StoredMembership, PayloadError> {
    let mut rest = bytes;
    let set_by = match take(&mut rest, 1) {
        Err(_) => return Ok(StoredMembership::default()),
        Ok([0]) => None,
        Ok([1]) => Some(log_id(take_u64(&mut rest)?, take_u64(&mut rest)?)),
        Ok(_) => return Err(PayloadError::Malformed("stored membership's log id")),
    };
    Ok(StoredMembership::new(set_by, decode(rest)?))
}

/// Whose votes count, by what the applied mark keeps ([`hansard_storage::AppliedMark::membership`]): one set of node ids; two, each
/// of which needs a majority, while a change of the voters stands half way.
///
/// # Errors
/// Bytes that [`encode_stored`] has not written.
pub fn voters_of(stored: &[u8]) -> Result<Vec<BTreeSet<u64>>, PayloadError> {
    Ok(decode_stored(stored)?.membership().get_joint_config().clone())
}

fn read(rest: &mut &[u8]) -> Result<Membership, PayloadError> {
    let configs = take(rest, 1)?[0];
    let mut joint = Vec::with_capacity(usize::from(configs));
    for _ in 0..configs {
        let mut voters = BTreeSet::new();
        for _ in 0..take_u16(rest)? {
            let id = take_u64(rest)?;
            ascends(voters.last(), id)?;
            voters.insert(id);
        }
        joint.push(voters);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..take_u16(rest)? {
        let id = take_u64(rest)?;
        ascends(nodes.last_key_value().map(|(last, _)| last), id)?;
        let node = Member { name: take_text(rest)?, site: take_text(rest)?, address: take_text(rest)? };
        nodes.insert(id, node);
    }
    if joint.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(joint, nodes).map_err(|_| PayloadError::Malformed("a voter without a node, or no voter"))
}

fn ascends(last: Option<&u64>, id: u64) -> Result<(), PayloadError> {
    if last.is_none_or(|last| *last < id) { Ok(()) } else { Err(PayloadError::Malformed("ids that do not ascend")) }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u16::try_from(count).expect("memberships hold fewer than 65,536 nodes, their texts fewer bytes");
    out.extend_from_slice(&count.to_be_bytes());
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], PayloadError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(PayloadError::Malformed("membership ends too early"))?;
    *rest = tail;
    Ok(head)
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, PayloadError> {
    Ok(u16::from_be_bytes(take(rest, 2)?.try_into().expect("two bytes")))
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, PayloadError> {
    Ok(u64::from_be_bytes(take(rest, 8)?.try_into().expect("eight bytes")))
}

fn take_text(rest: &mut &[u8]) -> Result<String, PayloadError> {
    let length = usize::from(take_u16(rest)?);
    let bytes = take(rest, length)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| PayloadError::Malformed("a node's text is not UTF-8"))
}
