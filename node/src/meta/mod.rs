//! The cluster's own affairs: founding, membership, placement, and carrying placement out.

mod balance;
mod binding;
mod bootstrap;
mod calls;
mod commands;
mod controller;
mod decision;
mod fullness;
mod hosting;
mod kinship;
mod known;
mod leaders;
mod members;
mod proposing;
mod shards;
mod watchful;

pub(crate) use binding::Binding;
pub(crate) use calls::Calls;
pub(crate) use commands::{FIRST_EPOCH, by_system, command, info_of};
pub(crate) use controller::{move_replica, transfer_leader};
pub(crate) use fullness::Fullness;
pub(crate) use hosting::Hosting;
pub(crate) use known::{Known, Told};
pub(crate) use leaders::leaders;

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{links, raft, state::Node};

/// Starts what runs for as long as the node does.
pub(crate) fn spawn(node: &Arc<Node>) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(bootstrap::bootstrap(node.clone())),
        tokio::spawn(kinship::check(node.clone())),
        tokio::spawn(hosting::host_shards(node.clone())),
        tokio::spawn(watchful::greet_others(node.clone())),
        tokio::spawn(watchful::watch_readiness(node.clone())),
        tokio::spawn(controller::control(node.clone())),
        tokio::spawn(balance::balance(node.clone())),
        tokio::spawn(links::tell_leaders(node.clone())),
        tokio::spawn(links::tell_meta(node.clone())),
        tokio::spawn(node.host.clone().bound_log()),
        tokio::spawn(raft::drop_abandoned(node.store.clone(), raft::Tuning::default().snapshot_keep)),
    ]
}
