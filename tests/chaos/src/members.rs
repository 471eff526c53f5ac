//! Nodes that come and go, as an operator does it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hansard_client::v1::NodeState;

use crate::progress::voters;
use crate::rig::Rig;
use crate::slot::{Slot, listens};

/// How long a new node may take to be known.
const KNOWN: Duration = Duration::from_secs(120);
/// How long replicas may take to move, faults included: with 1.5 million messages in one shard, whose leaders were struck every few
/// seconds, it took 500 s.
const MOVED: Duration = Duration::from_secs(900);

/// Ids of the nodes at a place that are not gone.
pub(crate) fn ids(rig: &Rig, slot: &Slot) -> Result<Vec<u64>> {
    Ok(rig.operator.nodes(&listens(&slot.address))?.into_iter().map(|node| node.id).collect())
}

/// Lets the node that was started with empty data take its share; its id. `old`: those at the place that are not new.
pub(crate) fn admit(rig: &Rig, slot: &Slot, old: &[u64]) -> Result<u64> {
    let mut fresh = None;
    rig.wait(KNOWN, || {
        let now = ids(rig, slot).unwrap_or_default();
        fresh = now.into_iter().find(|id| !old.contains(id));
        fresh.is_some()
    });
    let fresh = fresh.with_context(|| format!("{} was not known as a new node within {KNOWN:?}", slot.name))?;
    rig.operator.join(fresh)?;
    rig.claims.set_serving(slot.number, true);
    Ok(fresh)
}

/// Waits until nodes are gone for good.
pub(crate) fn await_gone(rig: &Rig, ids: &[u64]) -> Result<()> {
    let gone = i32::from(NodeState::Decommissioned);
    let is_so = rig.wait(MOVED, || {
        let Ok(status) = rig.operator.status() else { return false };
        ids.iter().all(|id| status.nodes.iter().any(|node| node.id == *id && node.state == gone))
    });
    ensure!(is_so || rig.stopping(), "nodes {ids:?} were not decommissioned within {MOVED:?}");
    Ok(())
}

/// Whether no replica is missing: every node that has any is reachable and stays, and every shard has all its voters.
pub(crate) fn are_whole(rig: &Rig) -> Result<bool> {
    let status = rig.operator.status()?;
    let [standby, active, gone] = [NodeState::Standby, NodeState::Active, NodeState::Decommissioned].map(i32::from);
    let stays = status.nodes.iter().all(|node| match node.state {
        state if state == active => node.reachable,
        state => state == standby || state == gone,
    });
    Ok(stays && status.shards.iter().all(|shard| shard.voters.len() == voters(&shard.name)))
}

/// Waits until a node has its share.
pub(crate) fn await_share(rig: &Rig, id: u64) -> Result<()> {
    let is_so = rig.wait(MOVED, || {
        let status = rig.operator.status();
        status.is_ok_and(|status| status.nodes.iter().any(|node| node.id == id && node.voters > 0))
    });
    ensure!(is_so || rig.stopping(), "node {id} got no replica within {MOVED:?}");
    Ok(())
}

/// What an operator does with a node whose data is gone or not to be trusted: an empty directory, a new id, and the old one
/// decommissioned. Returns once the new node is to have its share; [`await_gone`] waits for the old ones, which it returns.
pub(crate) fn replace(rig: &Rig, slot: &Slot) -> Result<Vec<u64>> {
    let old = ids(rig, slot)?;
    slot.wipe()?;
    slot.process.start()?;
    let fresh = admit(rig, slot, &old)?;
    rig.journal.say(format!("{} was wiped: node {fresh} takes the place of {old:?}", slot.name));
    for id in &old {
        rig.operator.decommission(*id)?;
    }
    Ok(old)
}
