//! Errors as routers see them: what was surely not done, and what is unknown.

use std::time::Duration;

use hansard_proto::{reason, rpc::Status, status};
use tonic::Code;

use crate::shard::{ProposeError, ReadError};

/// When a full disk may have room again: soon after somebody made some, without a storm of retries until then.
const STORAGE_RETRY: Duration = Duration::from_secs(1);

/// Nothing was done here; the leader may do it.
pub(super) fn not_leader(leader: Option<u64>) -> Status {
    let leader = leader.map(|node| node.to_string()).unwrap_or_default();
    let status = status::with_metadata(
        Code::Unavailable,
        reason::NOT_LEADER,
        "this node does not lead the shard; nothing was done",
        [("leader", leader)],
    );
    status::add_retry(status, status::DEFAULT_RETRY)
}

/// Nothing was done; the router's placement is too old.
pub(super) fn stale_epoch(epoch: u64) -> Status {
    status::with_metadata(
        Code::Unavailable,
        reason::STALE_EPOCH,
        "the shard's placement has changed; nothing was done",
        [("epoch", epoch.to_string())],
    )
}

/// A command that has no outcome.
pub(super) fn proposing(error: ProposeError) -> Status {
    match error {
        ProposeError::NotLeader { leader } => not_leader(leader),
        ProposeError::Overloaded { retry_after } => {
            status::retryable(Code::ResourceExhausted, reason::OVERLOADED, error.to_string(), retry_after)
        }
        ProposeError::StorageFull => {
            status::retryable(Code::ResourceExhausted, reason::STORAGE_FULL, error.to_string(), STORAGE_RETRY)
        }
        ProposeError::Unknown { .. } => status::unknown_outcome(error.to_string()),
    }
}

/// A read that was not served. Nothing is lost by reading elsewhere.
pub(super) fn reading(error: ReadError) -> Status {
    match error {
        ReadError::NotLeader { leader } => not_leader(leader),
        ReadError::NoQuorum | ReadError::Stopped => not_leader(None),
        ReadError::Overloaded => {
            status::retryable(Code::ResourceExhausted, reason::OVERLOADED, error.to_string(), status::DEFAULT_RETRY)
        }
        ReadError::Store(error) => {
            tracing::error!(%error, "rows could not be read");
            status::new(Code::Internal, reason::INTERNAL, "the node cannot read its rows")
        }
    }
}
