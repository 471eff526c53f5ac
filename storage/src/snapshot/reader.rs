//! Reading a snapshot, chunk by chunk, from a pinned view: from the first chunk, or from any that was read before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hansard_domain::Table;
use hansard_domain::bug::{self, Bug};

use super::format::{ChunkBuilder, MAX_ROW};
use super::partial::Taken;
use crate::error::SnapshotError;
use crate::mark::AppliedMark;
use crate::state::RowsView;

/// A shard's rows as they were when it was made. It holds its view, and with it the space of rows that were dropped since, until
/// it goes. Beside that it remembers where each chunk begins: some 100 bytes for each MiB.
pub struct SnapshotSource {
    view: RowsView,
    mark: AppliedMark,
    /// Where the chunks begin that follow those which were read, in order.
    begins: Mutex<Vec<Begin>>,
}

/// Where a chunk begins.
#[derive(Clone)]
struct Begin {
    /// A key led by its table; none after the last chunk.
    key: Option<Vec<u8>>,
    /// Rows of the chunks before.
    rows: u64,
    /// The chunks before.
    taken: Taken,
}

impl SnapshotSource {
    pub(crate) fn new(view: RowsView) -> Result<Arc<Self>, SnapshotError> {
        let mut mark = view.applied().cloned().ok_or(SnapshotError::Empty)?;
        mark.index += u64::from(bug::is(Bug::SnapshotMissesLastEntry));
        Ok(Arc::new(Self { view, mark, begins: Mutex::default() }))
    }

    /// Where the snapshot stands in the log.
    pub fn mark(&self) -> &AppliedMark {
        &self.mark
    }

    /// Reads from the first chunk on.
    pub fn reader(self: &Arc<Self>) -> SnapshotReader {
        let first = Begin { key: Some(Vec::new()), rows: 0, taken: Taken::default() };
        SnapshotReader { source: Arc::clone(self), at: first }
    }

    /// Reads on after the chunks that somebody took, or from the first one if they are not known to be this snapshot's.
    pub fn reader_after(self: &Arc<Self>, taken: Taken) -> SnapshotReader {
        let known = (taken.chunks as usize).checked_sub(1).and_then(|at| self.begins().get(at).cloned());
        match known.filter(|begin| begin.taken == taken) {
            Some(at) => SnapshotReader { source: Arc::clone(self), at },
            None => self.reader(),
        }
    }

    fn begins(&self) -> MutexGuard<'_, Vec<Begin>> {
        self.begins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers where the next chunk begins.
    fn remember(&self, begin: &Begin) {
        let mut begins = self.begins();
        if begins.len() + 1 == begin.taken.chunks as usize {
            begins.push(begin.clone());
        }
    }
}

/// Reads a snapshot's chunks in order.
pub struct SnapshotReader {
    source: Arc<SnapshotSource>,
    at: Begin,
}

impl SnapshotReader {
    /// What it reads.
    pub fn source(&self) -> &Arc<SnapshotSource> {
        &self.source
    }

    /// Where the snapshot stands in the log.
    pub fn mark(&self) -> &AppliedMark {
        &self.source.mark
    }

    /// The chunks before the next one.
    pub fn taken(&self) -> Taken {
        self.at.taken
    }

    /// The next chunk, at most [`CHUNK_BYTES`](super::CHUNK_BYTES) long, or `None` after the last.
    ///
    /// # Errors
    /// The engine failed, or a row is too long for a chunk.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        let Some(start) = &self.at.key else {
            return Ok(None);
        };
        let number = self.at.taken.chunks;
        let mut builder = ChunkBuilder::new(number, (number == 0).then_some(&self.source.mark));
        let (mut next, mut too_long) = (None, None);
        self.source.view.from(start, &mut |row, value| {
            if bug::is(Bug::DedupNotInSnapshot) && row[0] == Table::Dedup as u8 {
                return true;
            }
            if row.len() + value.len() > MAX_ROW {
                too_long = Some(row.len() + value.len());
                return false;
            }
            if builder.add(row, value) {
                return true;
            }
            next = Some(row.to_vec());
            false
        })?;
        if let Some(len) = too_long {
            return Err(SnapshotError::RowTooLong(len));
        }
        let rows = self.at.rows + u64::from(builder.rows());
        let chunk = builder.finish(next.is_none().then_some(rows));
        self.at = Begin { key: next, rows, taken: self.at.taken.and(&chunk) };
        self.source.remember(&self.at);
        Ok(Some(chunk))
    }
}
