//! Where applied events go.

use std::sync::Arc;

use hansard_domain::{Batch, News, RoomEvent, ShardId};

/// What was applied, of which the events are made for whoever wants them.
#[derive(Debug, Default)]
pub struct Applied {
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) news: News,
}

impl Applied {
    /// Entries of rooms, in order.
    pub fn events(&self) -> impl Iterator<Item = RoomEvent> {
        self.news.events(&self.batches)
    }
}

/// Takes what apply produced. Called by the shard's apply task, in the order of the log, after the rows are committed;
/// must not block and must not call back into the shard. On a replica that does not serve, the calls happen too.
pub trait ApplySink: Send + Sync + 'static {
    /// Entries were added to rooms.
    fn applied(&self, shard: ShardId, applied: &Applied);
    /// A snapshot replaced the shard's rows: whoever follows must read again from the rows.
    fn replaced(&self, shard: ShardId);
}

/// Drops everything: for shards that nobody follows, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl ApplySink for NoSink {
    fn applied(&self, _: ShardId, _: &Applied) {}
    fn replaced(&self, _: ShardId) {}
}
