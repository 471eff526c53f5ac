//! The log adapter: openraft's log storage over a shard's part of the node's log.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex};

use hansard_domain::bug::{self, Bug};
use hansard_failpoint::{self as failpoint, Point};
use hansard_storage::{LogEntry, ShardLog};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};

use super::entry::Entry;
use super::proposal::Proposal;
use super::types::{LogId, Payload, Types, Vote, log_id};

/// Proposals made here whose batch is kept for apply. A few entries are under way at a time; more than this only when apply
/// falls behind, and then the log's bytes are decoded again.
const REMEMBERED: usize = 64;

/// A shard's log, as openraft sees it. Clones share it.
#[derive(Clone)]
pub struct LogStore {
    log: ShardLog,
    /// Bytes of entries in one read for replication.
    read_bytes: usize,
    made_here: Arc<Mutex<VecDeque<(LogId, Proposal)>>>,
}

impl LogStore {
    /// The adapter over `log`; one replication read yields at most about `read_bytes`.
    pub fn new(log: ShardLog, read_bytes: usize) -> LogStore {
        LogStore { log, read_bytes, made_here: Arc::default() }
    }

    fn remember(&self, entry: &Entry) {
        let Payload::Normal(proposal) = entry.payload() else { return };
        if proposal.decoded.is_none() {
            return;
        }
        let mut made_here = self.made_here.lock().expect("no holder panics");
        if made_here.len() == REMEMBERED {
            made_here.pop_front();
        }
        made_here.push_back((entry.position(), proposal.clone()));
    }

    fn recall(&self, id: LogId) -> Option<Proposal> {
        let mut made_here = self.made_here.lock().expect("no holder panics");
        let at = made_here.iter().position(|(other, _)| *other == id)?;
        made_here.remove(at).map(|(_, proposal)| proposal)
    }

    fn read(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let first = self.log.bounds().purged.map_or(0, |(_, index)| index + 1);
        let from = from.max(first);
        let mut stored = self.log.read(from, to, max_bytes)?;
        if stored.is_empty() && from == 0 && to > 1 {
            // A log that was never purged starts at 0, where it was founded, or at 1.
            stored = self.log.read(1, to, max_bytes)?;
        }
        stored.into_iter().map(|entry| Entry::from_stored(entry).map_err(invalid)).collect()
    }
}

/// Bytes of our own that cannot be read.
pub(super) fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn to_vote(stored: hansard_storage::Vote) -> Vote {
    if stored.committed { Vote::new_committed(stored.term, stored.node) } else { Vote::new(stored.term, stored.node) }
}

/// `from` and the exclusive end of a range of indexes.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(&from) => from,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&to) => to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        self.read(from, to, usize::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.vote().map(to_vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, self.read_bytes)
    }

    /// For apply: entries one read after another, so that a long log is never in memory at once, and with the decoded batch
    /// where it was made here.
    async fn entries_stream<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> impl futures_util::Stream<Item = Result<Entry, io::Error>> + Send {
        let (from, to) = bounds(&range);
        let reader = Pages { store: self.clone(), next: from, to, page: VecDeque::new(), failed: false };
        futures_util::stream::iter(reader)
    }
}

/// Reads a range of the log page by page.
struct Pages {
    store: LogStore,
    next: u64,
    to: u64,
    page: VecDeque<Entry>,
    failed: bool,
}

impl Iterator for Pages {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        if self.page.is_empty() {
            if self.failed || self.next >= self.to {
                return None;
            }
            match self.store.read(self.next, self.to, self.store.read_bytes) {
                Ok(entries) => self.page = entries.into(),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let entry = self.page.pop_front()?;
        self.next = entry.position().index + 1;
        Some(Ok(match self.store.recall(entry.position()) {
            Some(made_here) => entry.with_memory_of(&made_here),
            None => entry,
        }))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let bounds = self.log.bounds();
        let purged = bounds.purged.map(|(term, index)| log_id(term, index));
        let last = bounds.last.map(|(term, index)| log_id(term, index));
        Ok(LogState { last_purged_log_id: purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let vote = hansard_storage::Vote {
            term: vote.leader_id.term,
            node: vote.leader_id.voted_for,
            committed: vote.committed,
        };
        self.log.save_vote(vote).await?;
        failpoint::pass(Point::VoteSaved);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<LogEntry> = entries
            .into_iter()
            .map(|entry| {
                self.remember(&entry);
                entry.to_stored()
            })
            .collect();
        if bug::is(Bug::AckOnAppend) {
            callback.io_completed(Ok(()));
            self.log.append(&entries, Box::new(|_| {}));
            return Ok(());
        }
        let flushed = move |result| {
            failpoint::pass(Point::AppendFlushed);
            callback.io_completed(result);
        };
        self.log.append(&entries, Box::new(flushed));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.log.truncate_after(last.map(|id| id.index)).await?;
        failpoint::pass(Point::LogTruncated);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.log.purge(super::types::parts(&upto)).await?;
        failpoint::pass(Point::LogPurged);
        Ok(())
    }
}
