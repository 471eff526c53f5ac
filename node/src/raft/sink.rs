//! Where applied events go.

use hansard_domain::{RoomEvent, ShardId};

/// Takes what apply produced. Called by the shard's apply task, in the order of the log, after the rows are committed;
/// must not block and must not call back into the shard. On a replica that does not serve, the calls happen too.
pub trait ApplySink: Send + Sync + 'static {
    /// Entries of rooms, in order.
    fn applied(&self, shard: ShardId, events: Vec<RoomEvent>);
    /// A snapshot replaced the shard's rows: whoever follows must read again from the rows.
    fn replaced(&self, shard: ShardId);
}

/// Drops everything: for shards that nobody follows, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl ApplySink for NoSink {
    fn applied(&self, _: ShardId, _: Vec<RoomEvent>) {}
    fn replaced(&self, _: ShardId) {}
}
