//! Reads by those who put up with some age, from the replica that is here, leader or not.

use std::{sync::Arc, time::Duration};

use hansard_domain::{NodeId, Refusal, ShardId};
use hansard_proto::{cluster::v1 as wire, convert::bytes, rpc::Status};
use hansard_storage::{ShardRows, StoreError};
use tokio::time::Instant;

use super::reply;
use crate::{
    shard::{ReadError, Replica},
    state::Node,
};

/// How long the leader's answer may take: a round trip to it and one to its quorum. After that the reader asks it himself.
const ANSWER: Duration = Duration::from_millis(500);

/// Reads rows no older than `max`, and says how old they are at most.
///
/// # Errors
/// The leader must be asked: they are older, or the rules refuse, which may be so no more.
pub(super) async fn read<T: Send + 'static>(
    node: &Arc<Node>,
    replica: &Replica,
    max: Duration,
    read: impl FnOnce(&ShardRows) -> Result<Result<T, Refusal>, StoreError> + Send + 'static,
) -> Result<(T, Duration), Status> {
    let age = replica.age_within(max, confirmed(node, replica)).await.map_err(reply::reading)?;
    let known = Instant::now();
    let leader = replica.leadership().borrow().leader;
    let found = replica.read_applied(read).await.map_err(reply::reading)?;
    // A read may wait for its turn and for the disk.
    let age = age + known.elapsed();
    match found {
        Ok(found) if age <= max => Ok((found, age)),
        _ => Err(reply::not_leader(leader)),
    }
}

/// How far the shard's leader has applied, a quorum having confirmed it.
async fn confirmed(node: &Arc<Node>, replica: &Replica) -> Option<u64> {
    match index(replica).await {
        Ok(index) => Some(index),
        Err(ReadError::NotLeader { leader }) => {
            let asked = ask(node, replica.id(), leader?);
            tokio::time::timeout(ANSWER, asked).await.ok().flatten()
        }
        Err(_) => None,
    }
}

/// How far this replica has applied, a quorum having confirmed that it leads.
///
/// # Errors
/// Those of [`Replica::read_index`].
pub(super) async fn index(replica: &Replica) -> Result<u64, ReadError> {
    replica.read_index().await?;
    let (_, index) = *replica.progress().applied().borrow();
    Ok(index)
}

async fn ask(node: &Arc<Node>, shard: ShardId, leader: NodeId) -> Option<u64> {
    let mut peer = node.calls.client(&node.lookup(leader)?.address).ok()?;
    let request = wire::ReadIndexRequest { shard: bytes(shard), cluster: node.binding.to_wire() };
    let answer = peer.read_index(request).await.ok()?.into_inner();
    answer.done.then_some(answer.index)
}
