//! What a shard does with the log: submit in order, read.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::bug::{self, Bug};

use super::front::{Found, Front};
use super::ledger::Place;
use super::queue::{Done, Op};
use super::record::Record;
use super::{NodeLog, Shared, locked};
use crate::entry::LogEntry;
use crate::mark::{LogPosition, Vote};
use crate::options::WriterMode;
use crate::stats::Stats;

/// How often a read looks again when the entry moved meanwhile.
const READ_ATTEMPTS: usize = 4;

impl Shared {
    /// The frame at `place`, not verified.
    pub(super) fn read_place(&self, place: Place) -> io::Result<Bytes> {
        let file = locked(&self.files).get(&place.segment).cloned();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Stats::add(&self.stats.log_disk_reads, 1);
        file.read_at(u64::from(place.offset), place.len as usize)
    }

    fn place(&self, shard: u32, index: u64) -> Option<(u64, Place)> {
        self.ledger().shards.get(&shard)?.entries.get(&index).copied()
    }
}

impl NodeLog {
    /// Takes entries in and writes them; readable on return.
    pub(crate) fn append(&self, front: &Front, entries: &[LogEntry], done: Done) {
        let limit = (self.shared.segment_bytes / 4) as usize;
        {
            let _order = locked(&front.order);
            {
                let mut state = front.state();
                assert!(!state.removed, "an append to a shard that was removed");
                let bytes = state.append(entries);
                Stats::add(&self.shared.stats.tail_cache_bytes, bytes as u64);
            }
            let (mut records, mut size) = (Vec::new(), 0);
            for entry in entries {
                assert!(
                    entry.encoded_len() <= limit,
                    "an entry of {} bytes is too long for the log's segments",
                    entry.encoded_len()
                );
                if size + entry.encoded_len() > limit {
                    self.shared.submit(Op::new(front.number, std::mem::take(&mut records), None));
                    size = 0;
                }
                size += entry.encoded_len();
                records.push(Record::Entry(entry.encoded()));
            }
            self.shared.submit(Op::new(front.number, records, Some(done)));
        }
        self.pump_inline();
    }

    /// Writes a vote.
    pub(crate) fn save_vote(&self, front: &Front, vote: Vote, done: Done) {
        {
            let _order = locked(&front.order);
            front.state().vote = Some(vote);
            let records = if bug::is(Bug::VoteUnsynced) { Vec::new() } else { vec![Record::Vote(vote)] };
            self.shared.submit(Op::new(front.number, records, Some(done)));
        }
        self.pump_inline();
    }

    /// Drops entries after `last`.
    pub(crate) fn truncate_after(&self, front: &Front, last: Option<u64>, done: Done) {
        {
            let _order = locked(&front.order);
            let (end, freed) = front.state().truncate_after(last);
            self.shared.uncache(freed);
            self.shared.submit(Op::new(front.number, vec![Record::Truncate(end)], Some(done)));
        }
        self.pump_inline();
    }

    /// Drops entries up to `upto`.
    pub(crate) fn purge(&self, front: &Front, upto: LogPosition, done: Done) {
        {
            let _order = locked(&front.order);
            let purged = front.state().purge(upto);
            let mut records = Vec::new();
            if let Some((reset, freed)) = purged {
                self.shared.uncache(freed);
                records.push(Record::Purge { upto, reset });
            }
            self.shared.submit(Op::new(front.number, records, Some(done)));
        }
        self.pump_inline();
    }

    /// Drops a shard.
    pub(crate) fn remove(&self, front: &Front, done: Done) {
        {
            let _order = locked(&front.order);
            let freed = front.state().remove();
            self.shared.uncache(freed);
            self.shared.submit(Op::new(front.number, vec![Record::Remove], Some(done)));
            locked(&self.shared.fronts).remove(&front.number);
        }
        self.pump_inline();
    }

    pub(super) fn pump_inline(&self) {
        if self.mode == WriterMode::Inline {
            self.pump();
        }
    }

    /// Entries `from..to`, at least one if there is one at `from`, up to `max_bytes` of frames; ends before the
    /// first that is not there.
    pub(crate) fn read(&self, front: &Arc<Front>, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<LogEntry>> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for index in from..to {
            // A replica that can't read its log is none: the process ends, as after a failed write.
            let read = self.read_one(front, index).inspect_err(|error| self.shared.fail(error, Vec::new()));
            let Some(entry) = read? else {
                break;
            };
            bytes += entry.encoded_len();
            if !entries.is_empty() && bytes > max_bytes {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn read_one(&self, front: &Front, index: u64) -> io::Result<Option<LogEntry>> {
        let mut problem = String::new();
        for _ in 0..READ_ATTEMPTS {
            let found = front.state().find(index);
            let term = match found {
                Found::Nothing => return Ok(None),
                Found::Memory(frame) => {
                    return Ok(Some(LogEntry::trusted(frame).map_err(io::Error::other)?));
                }
                Found::Disk(term) => term,
            };
            // Truncated and appended again meanwhile: look again.
            let Some((placed_term, place)) = self.shared.place(front.number, index) else {
                continue;
            };
            let frame = self.shared.read_place(place);
            // A segment is given up only after its places are gone from the ledger; if this one still stands, what
            // was read is what is there.
            if placed_term != term || self.shared.place(front.number, index) != Some((term, place)) {
                continue;
            }
            match frame.map(LogEntry::decode) {
                Ok(Ok(entry)) if (entry.term, entry.index) == (term, index) => {
                    return Ok(Some(entry));
                }
                Ok(Ok(entry)) => problem = format!("entry {} of term {} is there", entry.index, entry.term),
                Ok(Err(error)) => problem = error.to_string(),
                Err(error) => return Err(error),
            }
        }
        let what =
            format!("log entry {index} of shard {} can't be read back: {problem}; the disk is damaged", front.id);
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}
