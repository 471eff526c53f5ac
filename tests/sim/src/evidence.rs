//! What the nodes hold once all is over.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hansard_domain::{Content, Kind, RoomId, Rows, Shard, ShardId, Table, decode_events, meta::Meta};
use hansard_storage::Store;

/// The head of a shard's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Entries.
    pub(crate) size: u64,
    /// The root of its tree.
    pub(crate) root: [u8; 32],
}

/// An entry of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its place in the room.
    pub(crate) seq: u64,
    /// Its place in the shard's record.
    pub(crate) index: u64,
    /// Microseconds UTC.
    pub(crate) time_us: i64,
    /// Whether it is a message.
    pub(crate) message: bool,
    /// The intent.
    pub(crate) request: String,
    /// The text.
    pub(crate) text: String,
}

/// One node's replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    /// Records.
    pub(crate) heads: BTreeMap<ShardId, Head>,
    /// Entries of rooms in the order of their keys; room ids as text.
    pub(crate) rooms: BTreeMap<String, Vec<Stored>>,
    /// Entries by shard and index.
    pub(crate) times: BTreeMap<(ShardId, u64), i64>,
}

impl Replica {
    /// Reads it all.
    pub(crate) fn read(store: &Store) -> Result<Self> {
        let mut replica = Self::default();
        for id in store.shards() {
            let rows = store.shard(id)?.rows();
            let head = if id == ShardId::META {
                let meta = Meta::load(&rows)?;
                Head { size: meta.record_size(), root: meta.record_root() }
            } else {
                let shard = Shard::load(id, &rows)?;
                Head { size: shard.record_size(), root: shard.record_root() }
            };
            replica.heads.insert(id, head);
            replica.read_rooms(id, &rows)?;
        }
        Ok(replica)
    }

    /// Only the heads, which is quick.
    pub(crate) fn heads(store: &Store) -> Result<BTreeMap<ShardId, Head>> {
        // Records are short here: there is no need for a way of its own.
        Ok(Self::read(store)?.heads)
    }

    fn read_rooms<R: Rows>(&mut self, shard: ShardId, rows: &R) -> Result<()> {
        let mut raw = Vec::new();
        rows.scan(Table::Event, &[0; 24], &[0xff; 25], false, &mut |key, value| {
            raw.push((key.to_vec(), value.to_vec()));
            true
        })?;
        for (key, value) in raw {
            let room = RoomId::from_bytes(key[..16].try_into()?);
            let last = u64::from_be_bytes(key[16..].try_into()?);
            for (seq, row) in decode_events(last, &value.into()).context("a block of entries")? {
                let entry = row.entry(seq, false);
                let text = Content::decode(&entry.content)?.text.unwrap_or_default();
                let stored = Stored {
                    seq,
                    index: row.index,
                    time_us: row.time_us,
                    message: row.kind == Kind::Message,
                    request: row.request.to_string(),
                    text,
                };
                self.times.insert((shard, row.index), row.time_us);
                self.rooms.entry(room.to_string()).or_default().push(stored);
            }
        }
        Ok(())
    }
}
