//! Where shards and rooms are.

use super::nodes;
use super::rows::{META_ORDINAL, encode_moved, encode_shard, encode_slots};
use super::view::{MetaView, MovedRoom, Node, NodeInfo, NodeState, ShardPlace};
use crate::ids::{ClusterId, NodeId, RoomId, ShardId};
use crate::keys;
use crate::limits::{MAX_MOVED_ROOMS, MAX_NODES, MAX_SHARDS, MAX_VOTERS, SLOTS};
use crate::refusal::Refusal;
use crate::rows::Table;
use crate::stage::Stage;

/// The cluster begins, with these nodes and shards; the slots are shared out in equal runs.
pub(super) fn found(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    cluster: ClusterId,
    infos: &[NodeInfo],
    meta: &[NodeId],
    shards: &[(ShardId, Vec<NodeId>)],
) -> Result<(), Refusal> {
    if view.cluster.is_some() {
        return Err(Refusal::AlreadyFounded);
    }
    if infos.is_empty() || infos.len() > MAX_NODES || shards.is_empty() || shards.len() > MAX_SHARDS {
        return Err(Refusal::InvalidContent);
    }
    infos.iter().try_for_each(nodes::check)?;
    let voters = shards.iter().map(|(_, voters)| &voters[..]).chain([meta]);
    for voters in voters {
        check_voters(voters, |id| infos.iter().any(|info| info.id == id))?;
    }
    let unique = |at: usize| shards[..at].iter().all(|(id, _)| *id != shards[at].0) && shards[at].0 != ShardId::META;
    if !(0..shards.len()).all(unique) {
        return Err(Refusal::InvalidContent);
    }
    view.cluster = Some(cluster);
    for info in infos {
        nodes::put(stage, view, Node { info: info.clone(), state: NodeState::Active });
    }
    put(stage, view, META_ORDINAL, ShardPlace { shard: ShardId::META, voters: meta.to_vec(), epoch: 1 });
    for (ordinal, (shard, voters)) in (0u16..).zip(shards) {
        put(stage, view, ordinal, ShardPlace { shard: *shard, voters: voters.clone(), epoch: 1 });
    }
    view.slots = (0..SLOTS).map(|slot| (slot * shards.len() / SLOTS) as u16).collect();
    stage.put(Table::Slot, keys::SINGLE, Some(encode_slots(&view.slots)));
    Ok(())
}

/// A shard has other voters.
pub(super) fn set(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    shard: ShardId,
    voters: &[NodeId],
    epoch: u64,
) -> Result<(), Refusal> {
    let (ordinal, place) = match &view.meta {
        Some(place) if shard == ShardId::META => (META_ORDINAL, place),
        _ => {
            let at = view.shards.iter().position(|place| place.shard == shard).ok_or(Refusal::ShardUnknown)?;
            (at as u16, &view.shards[at])
        }
    };
    if epoch != place.epoch + 1 {
        return Err(Refusal::StaleEpoch);
    }
    let living = |id| view.nodes.get(&id).is_some_and(|node: &Node| node.state != NodeState::Decommissioned);
    check_voters(voters, living)?;
    put(stage, view, ordinal, ShardPlace { shard, voters: voters.to_vec(), epoch });
    Ok(())
}

/// A room has another shard.
pub(super) fn move_room(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    room: RoomId,
    shard: u16,
    epoch: u64,
) -> Result<(), Refusal> {
    if usize::from(shard) >= view.shards.len() {
        return Err(Refusal::ShardUnknown);
    }
    let known = view.moved.get(&room);
    if epoch <= known.map_or(0, |moved| moved.epoch) {
        return Err(Refusal::StaleEpoch);
    }
    if known.is_none() && view.moved.len() >= MAX_MOVED_ROOMS {
        return Err(Refusal::TooMany);
    }
    let moved = MovedRoom { shard, epoch };
    stage.put(Table::Moved, room.as_bytes(), Some(encode_moved(moved)));
    view.moved.insert(room, moved);
    Ok(())
}

fn check_voters(voters: &[NodeId], known: impl Fn(NodeId) -> bool) -> Result<(), Refusal> {
    if voters.is_empty() || voters.len() > MAX_VOTERS {
        return Err(Refusal::InvalidContent);
    }
    for (at, voter) in voters.iter().enumerate() {
        if !known(*voter) {
            return Err(Refusal::NodeUnknown);
        }
        if voters[..at].contains(voter) {
            return Err(Refusal::InvalidContent);
        }
    }
    Ok(())
}

fn put(stage: &mut Stage<'_>, view: &mut MetaView, ordinal: u16, place: ShardPlace) {
    stage.put(Table::Shard, place.shard.as_bytes(), Some(encode_shard(ordinal, &place)));
    match view.shards.get_mut(usize::from(ordinal)) {
        Some(known) => *known = place,
        None if ordinal == META_ORDINAL => view.meta = Some(place),
        None => view.shards.push(place),
    }
}
