//! Keeps the node's log short. A snapshot every so many entries does not: entries may be large, and shards many.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::sleep;

use super::host::ShardHost;
use super::replica::Replica;

/// Between two looks. A second: at full speed a fraction of a segment, so that segments are given up one by one and written
/// over, not many at once and deleted.
const LOOK: Duration = Duration::from_secs(1);

impl ShardHost {
    /// Has shards give up what keeps the log longer than [`Tuning::log_bytes`](crate::raft::Tuning::log_bytes). Runs until it
    /// is aborted.
    pub async fn bound_log(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            for (shard, index) in self.log_beyond() {
                if let Some(replica) = self.replica(shard) {
                    replica.give_up(index).await;
                }
            }
        }
    }
}

impl Replica {
    /// Purges the log up to this entry, or makes what it says durable first: then it is purged at a later look.
    async fn give_up(&self, index: u64) {
        let group = &self.inner.group;
        let snapshot = group.data_metrics().borrow_watched().snapshot;
        let done = if snapshot.is_some_and(|snapshot| snapshot.index >= index) {
            group.trigger().purge_log(index).await
        } else {
            group.trigger().snapshot().await
        };
        if let Err(error) = done {
            tracing::debug!(shard = %self.id(), %error, "the log is not cut: the group has stopped");
        }
    }
}
