//! Where the pump reads entries that are no longer, or not yet, live.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hansard_domain::{RoomId, ShardId, read};
use hansard_proto::cluster::v1::Entry;

use crate::{error::SourceError, shard::ShardHost};

/// Entries of one page: enough to amortize the read, few enough that rooms take turns.
const PAGE_ENTRIES: usize = 512;

/// Bytes of content of one page.
const PAGE_BYTES: usize = 256 << 10;

/// A room's next entries.
#[derive(Debug)]
pub(crate) struct Page {
    /// The room's newest seq when it was read.
    pub(crate) head: u64,
    /// Ascending, from the seq after the one asked for, without holes.
    pub(crate) entries: Vec<Entry>,
}

/// See the module.
pub(crate) trait RoomSource: Send + Sync + 'static {
    /// Entries above `after`; with `None` the head alone. `Ok(None)`: the room is not in the shard.
    fn page(
        &self,
        shard: ShardId,
        room: RoomId,
        after: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Page>, SourceError>>;
}

/// The rooms of the replicas on this node, as applied.
pub(crate) struct StoredRooms(pub(crate) Arc<ShardHost>);

impl RoomSource for StoredRooms {
    fn page(
        &self,
        shard: ShardId,
        room: RoomId,
        after: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Page>, SourceError>> {
        Box::pin(async move {
            let replica = self.0.replica(shard).ok_or(SourceError::NotHosted)?;
            let read = replica.read_applied(move |rows| {
                let Some(head) = read::room_head(rows, room)? else { return Ok(None) };
                let entries = match after {
                    Some(after) => read::feed(rows, room, after, PAGE_ENTRIES, PAGE_BYTES)?,
                    None => Vec::new(),
                };
                Ok(Some((head, entries)))
            });
            let found = read.await.map_err(|error| SourceError::Read(error.to_string()))?;
            Ok(found.map(|(head, entries)| Page { head, entries: entries.iter().map(Entry::from).collect() }))
        })
    }
}
