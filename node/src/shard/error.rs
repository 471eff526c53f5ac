//! What can go wrong with a shard, in terms of what the caller may conclude.

use std::time::Duration;

use hansard_domain::ShardId;
use hansard_storage::StoreError;

use crate::raft::StartError;

/// A proposal without an outcome.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProposeError {
    /// Nothing was done: this replica does not lead. Ask the leader.
    #[error("this node does not lead the shard; the leader is {}", known(.leader))]
    NotLeader {
        /// The leader, as far as is known here.
        leader: Option<u64>,
    },
    /// Nothing was done: too much waits already. Come back later.
    #[error("the shard is overloaded; try again in {retry_after:?}")]
    Overloaded {
        /// When it may have room again.
        retry_after: Duration,
    },
    /// Nothing was done: the disk of this node, which leads, is nearly full. Come back when it has room.
    #[error("the disk of the node that leads the shard is nearly full; it takes no messages until there is room again")]
    StorageFull,
    /// It may have been done, or may yet be. Retry with the same request id, which gives the one true answer.
    #[error("the outcome is unknown: {reason}; retry with the same request id")]
    Unknown {
        /// What happened.
        reason: &'static str,
    },
}

fn known(leader: &Option<u64>) -> String {
    leader.map_or_else(|| "not known".to_owned(), |node| format!("node {node}"))
}

/// A read that was not served.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// This replica does not lead. Ask the leader.
    #[error("this node does not lead the shard; the leader is {}", known(.leader))]
    NotLeader {
        /// The leader, as far as is known here.
        leader: Option<u64>,
    },
    /// This replica leads, but no quorum has confirmed it within the election timeout: another may lead by now.
    #[error("no quorum confirms this leader; ask again, here or elsewhere")]
    NoQuorum,
    /// Too many reads wait.
    #[error("the shard is overloaded; try again later")]
    Overloaded,
    /// The shard is stopping.
    #[error("the shard is stopping on this node")]
    Stopped,
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A membership change or a hand-over that did not happen, or not entirely.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Only the leader changes its shard's membership.
    #[error("this node does not lead the shard; the leader is {}", known(.leader))]
    NotLeader {
        /// The leader, as far as is known here.
        leader: Option<u64>,
    },
    /// Another change is under way.
    #[error("another change of the shard's membership is under way; repeat this one later")]
    InProgress,
    /// Other members are wanted by now.
    #[error("the cluster has placed the shard elsewhere meanwhile; look at its placement again")]
    Outdated,
    /// A new replica is waited for in vain.
    #[error("node {node} is to have a replica, and was not heard from for {after:?}; start it, or decommission it")]
    Silent {
        /// The new replica's node.
        node: u64,
        /// For how long.
        after: Duration,
    },
    /// A voter that is to lead lacks entries.
    #[error("node {node} lacks entries of the shard; try again when it has caught up, or name another")]
    Behind {
        /// Which.
        node: u64,
    },
    /// It took too long. Repeating it continues where it stopped.
    #[error("{what} took longer than {after:?}; repeat it")]
    Late {
        /// What.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The change cannot be.
    #[error("the membership is refused: {0}")]
    Refused(String),
    /// The shard has stopped on this node.
    #[error("the shard has stopped on this node: {0}")]
    Stopped(String),
}

/// A shard that cannot be hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its store.
    #[error("shard {shard}: {source}")]
    Store {
        /// The shard.
        shard: ShardId,
        /// What storage says.
        source: StoreError,
    },
    /// What its store holds.
    #[error("shard {shard}: {source}")]
    State {
        /// The shard.
        shard: ShardId,
        /// What is wrong.
        source: StartError,
    },
    /// Its Raft group.
    #[error("shard {shard} cannot take part in its group: {reason}")]
    Group {
        /// The shard.
        shard: ShardId,
        /// What is wrong.
        reason: String,
    },
    /// The timing that was configured cannot be.
    #[error("consensus timing: {0}; the election timeout must exceed twice the heartbeat")]
    Tuning(String),
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShuttingDown,
}
