//! The cluster's nodes: standby, active, decommissioning, gone.

use super::rows::encode_node_row;
use super::view::{MetaView, Node, NodeInfo, NodeState};
use crate::ids::NodeId;
use crate::limits::{MAX_NODE_TEXT_BYTES, MAX_NODES};
use crate::refusal::Refusal;
use crate::rows::Table;
use crate::stage::Stage;

/// Learns of a node, or of its new address.
pub(super) fn register(stage: &mut Stage<'_>, view: &mut MetaView, info: &NodeInfo) -> Result<(), Refusal> {
    check(info)?;
    let living = |node: &&Node| node.state != NodeState::Decommissioned;
    if view.nodes.values().filter(living).any(|node| node.info.name == info.name && node.info.id != info.id) {
        return Err(Refusal::NodeNameTaken);
    }
    let state = match view.nodes.get(&info.id) {
        Some(node) if node.state == NodeState::Decommissioned => return Err(Refusal::NodeRetired),
        Some(node) => node.state,
        None if view.nodes.len() >= MAX_NODES => return Err(Refusal::TooMany),
        None => NodeState::Standby,
    };
    put(stage, view, Node { info: info.clone(), state });
    Ok(())
}

/// Whether this can be a node at all.
pub(super) fn check(info: &NodeInfo) -> Result<(), Refusal> {
    let fits = |text: &str| !text.is_empty() && text.len() <= MAX_NODE_TEXT_BYTES;
    let good = info.id != 0 && fits(&info.name) && info.site.len() <= MAX_NODE_TEXT_BYTES && fits(&info.address);
    if good { Ok(()) } else { Err(Refusal::InvalidContent) }
}

pub(super) fn activate(stage: &mut Stage<'_>, view: &mut MetaView, id: NodeId) -> Result<(), Refusal> {
    turn(stage, view, id, &[NodeState::Standby], NodeState::Active)
}

pub(super) fn decommission(stage: &mut Stage<'_>, view: &mut MetaView, id: NodeId) -> Result<(), Refusal> {
    let others = view.nodes.values().filter(|node| node.state == NodeState::Active && node.info.id != id).count();
    if others == 0 && view.nodes.contains_key(&id) {
        return Err(Refusal::LastNode);
    }
    turn(stage, view, id, &[NodeState::Standby, NodeState::Active], NodeState::Decommissioning)
}

pub(super) fn retire(stage: &mut Stage<'_>, view: &mut MetaView, id: NodeId) -> Result<(), Refusal> {
    if view.voters_on(id) > 0 {
        return Err(Refusal::NodeInUse);
    }
    turn(stage, view, id, &[NodeState::Decommissioning], NodeState::Decommissioned)
}

fn turn(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    id: NodeId,
    from: &[NodeState],
    to: NodeState,
) -> Result<(), Refusal> {
    let node = view.nodes.get(&id).ok_or(Refusal::NodeUnknown)?;
    match node.state {
        NodeState::Decommissioned => Err(Refusal::NodeRetired),
        state if !from.contains(&state) => Err(Refusal::NodeState),
        _ => {
            let info = node.info.clone();
            put(stage, view, Node { info, state: to });
            Ok(())
        }
    }
}

pub(super) fn put(stage: &mut Stage<'_>, view: &mut MetaView, node: Node) {
    stage.put(Table::Node, &node.info.id.to_be_bytes(), Some(encode_node_row(&node)));
    view.nodes.insert(node.info.id, node);
}
