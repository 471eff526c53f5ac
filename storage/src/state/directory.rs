//! Keyspace 0: which keyspace holds which shard, up to where each is applied, and what has come of snapshots.

use bytes::Bytes;
use hansard_domain::{ClusterId, ShardId};

use crate::codec::{CodecError, Cursor};
use crate::engine::View;
use crate::error::StoreError;
use crate::mark::{AppliedMark, LogPosition};
use crate::snapshot::partial::PartialRow;

const STORE: u8 = b'I';
const NEXT: u8 = b'N';
const SHARD: u8 = b'S';
const MARK: u8 = b'A';
const PARTIAL: u8 = b'P';
const VERSION: u8 = 1;

/// A keyspace's number: the first four bytes of its keys.
pub(crate) type Keyspace = u32;

/// Bytes of keyspace and table before a row's own key.
pub(crate) const PREFIX: usize = 5;

/// The key of a row of `keyspace`.
pub(crate) fn row_key(keyspace: Keyspace, table: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + key.len());
    put_row_key(&mut out, keyspace, table, key);
    out
}

/// Appends the same.
pub(crate) fn put_row_key(out: &mut Vec<u8>, keyspace: Keyspace, table: u8, key: &[u8]) {
    out.extend_from_slice(&keyspace.to_be_bytes());
    out.push(table);
    out.extend_from_slice(key);
}

/// Where keys of `keyspace` start.
pub(crate) fn keyspace_start(keyspace: Keyspace) -> Vec<u8> {
    keyspace.to_be_bytes().to_vec()
}

pub(crate) fn store_key() -> Vec<u8> {
    row_key(0, STORE, b"")
}

pub(crate) fn next_key() -> Vec<u8> {
    row_key(0, NEXT, b"")
}

pub(crate) fn shard_key(shard: ShardId) -> Vec<u8> {
    row_key(0, SHARD, shard.as_bytes())
}

pub(crate) fn mark_key(shard: ShardId) -> Vec<u8> {
    row_key(0, MARK, shard.as_bytes())
}

pub(crate) fn partial_key(shard: ShardId) -> Vec<u8> {
    row_key(0, PARTIAL, shard.as_bytes())
}

/// The store the state belongs to.
pub(crate) fn store_row(store: [u8; 16], cluster: Option<ClusterId>) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&store);
    if let Some(cluster) = cluster {
        out.extend_from_slice(cluster.as_bytes());
    }
    out
}

/// Reads [`store_row`].
pub(crate) fn read_store_row(row: &[u8]) -> Result<([u8; 16], Option<ClusterId>), CodecError> {
    let mut cursor = Cursor::new(row);
    cursor.version(VERSION)?;
    let store = cursor.array()?;
    let cluster = if cursor.is_empty() { None } else { Some(ClusterId::from_bytes(cursor.array()?)) };
    cursor.finish()?;
    Ok((store, cluster))
}

/// Where a shard's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardRow {
    pub(crate) keyspace: Keyspace,
    /// The shard is being removed from this node.
    pub(crate) removed: bool,
    /// Where the last installed snapshot ended. The log is reset to it after the rows were switched.
    pub(crate) installed: Option<LogPosition>,
}

impl ShardRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.keyspace.to_be_bytes());
        out.push(u8::from(self.removed));
        out.push(u8::from(self.installed.is_some()));
        if let Some((term, index)) = self.installed {
            out.extend_from_slice(&term.to_be_bytes());
            out.extend_from_slice(&index.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(row);
        cursor.version(VERSION)?;
        let (keyspace, removed) = (cursor.u32()?, cursor.flag()?);
        let installed = if cursor.flag()? { Some((cursor.u64()?, cursor.u64()?)) } else { None };
        cursor.finish()?;
        Ok(Self { keyspace, removed, installed })
    }
}

/// The row of an applied mark, and up to which index the log was known to be durable when it was written: a state may
/// be ahead of its own log (a quorum elsewhere committed), but a log that ends below that index has lost entries.
pub(crate) fn mark_row(mark: &AppliedMark, logged: u64) -> Vec<u8> {
    let mut out = logged.to_be_bytes().to_vec();
    out.extend_from_slice(&mark.encode());
    out
}

/// Reads [`mark_row`].
pub(crate) fn read_mark_row(row: &[u8]) -> Result<(AppliedMark, u64), CodecError> {
    let (logged, mark) = row.split_first_chunk::<8>().ok_or(CodecError::Short)?;
    Ok((AppliedMark::decode(mark)?, u64::from_be_bytes(*logged)))
}

/// A shard as the directory has it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) row: ShardRow,
    pub(crate) mark: Option<AppliedMark>,
    pub(crate) logged: u64,
}

/// The directory's rows of one shard.
pub(crate) fn find(view: &dyn View, shard: ShardId) -> Result<Option<Listed>, StoreError> {
    let Some(row) = view.get(&shard_key(shard))? else {
        return Ok(None);
    };
    let row = ShardRow::decode(&row)?;
    let (mark, logged) = match view.get(&mark_key(shard))? {
        Some(bytes) => read_mark_row(&bytes).map(|(mark, logged)| (Some(mark), logged))?,
        None => (None, 0),
    };
    Ok(Some(Listed { row, mark, logged }))
}

/// All shards of the directory.
pub(crate) fn list(view: &dyn View) -> Result<Vec<(ShardId, Listed)>, StoreError> {
    let mut shards = Vec::new();
    for id in ids(view, SHARD)? {
        shards.extend(find(view, id)?.map(|listed| (id, listed)));
    }
    Ok(shards)
}

/// The shards that have a row of a kind.
fn ids(view: &dyn View, kind: u8) -> Result<Vec<ShardId>, StoreError> {
    let mut ids = Vec::new();
    let visit = &mut |key: &[u8], _: &[u8]| {
        ids.extend(key.get(5..).and_then(|id| <[u8; 16]>::try_from(id).ok()).map(ShardId::from_bytes));
        true
    };
    view.scan(&row_key(0, kind, b""), &row_key(0, kind + 1, b""), false, visit)?;
    Ok(ids)
}

/// The snapshots that are not installed.
pub(crate) fn partials(view: &dyn View) -> Result<Vec<(ShardId, PartialRow)>, StoreError> {
    let mut partials = Vec::new();
    for id in ids(view, PARTIAL)? {
        if let Some(row) = view.get(&partial_key(id))? {
            partials.push((id, PartialRow::decode(&row)?));
        }
    }
    Ok(partials)
}

/// The next keyspace to give out.
pub(crate) fn next_keyspace(view: &dyn View) -> Result<Keyspace, StoreError> {
    match view.get(&next_key())? {
        Some(row) => {
            let row: Bytes = row;
            Ok(Cursor::new(&row).u32()?)
        }
        None => Ok(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let mark = AppliedMark { term: 3, index: 258, membership: Bytes::from_static(b"voters") };
        crate::golden::check("applied_mark", &mark.encode());
        assert_eq!(AppliedMark::decode(&mark.encode()), Ok(mark.clone()));
        assert_eq!(read_mark_row(&mark_row(&mark, 7)), Ok((mark, 7)));
        let row = ShardRow { keyspace: 5, removed: false, installed: Some((2, 9)) };
        crate::golden::check("shard_row", &row.encode());
        assert_eq!(ShardRow::decode(&row.encode()), Ok(row));
    }
}
