//! Opening the log: what was acked is all there, or the log is refused.
//!
//! A last batch that was never acked may be torn; it is cut. It is told from damage by four witnesses: a record of a
//! later batch (a batch is written only after the one before it was synced), the tail mark, the mark of the next
//! segment (written only after the whole segment was synced), and the tail mark's copy in a file of its own. If any of them
//! speaks, the log is damaged.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use hansard_domain::bug::{self, Bug};
use hansard_failpoint::{self as failpoint, Point};

use super::format::{
    BLOCK, DATA_START, RECORD_HEADER, RecordHeader, RecordKey, SegmentHeader, align, find_records, read_record,
};
use super::ledger::{Ledger, Place};
use super::queue::Queue;
use super::record::Record;
use super::segments::{DIR, Segments, segment_name};
use super::survey::{Survey, survey};
use super::witness::{self, Witness};
use super::writer::{Tail, Writer};
use super::{Front, NodeLog, Shared};
use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::options::{FatalHook, Options, WriterMode};
use crate::stats::Stats;

/// Bytes of one write when records are written again.
const REWRITE_BYTES: u64 = 1 << 20;

/// What the log is opened with.
pub(crate) struct LogConfig<'a> {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: [u8; 16],
    /// Whether the directory is new: then there must be no log, else there must be one.
    pub(crate) fresh: bool,
    pub(crate) options: &'a Options,
    pub(crate) mode: WriterMode,
    pub(crate) fatal: FatalHook,
    pub(crate) stats: Arc<Stats>,
    pub(crate) make_room: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The chain of records as far as it goes.
struct Chain {
    key: RecordKey,
    ledger: Ledger,
    /// The next sequence number; `None` before the first record.
    expected: Option<u64>,
    last: Option<RecordHeader>,
    highest_epoch: u32,
}

/// The log as it was found; nothing in it was changed yet.
pub(crate) struct Scanned<'a> {
    config: LogConfig<'a>,
    segments: Segments,
    survey: Survey,
    chain: Chain,
    tail_segment: u64,
    offset: u64,
}

/// Reads the log in `log/`, or makes it in a new directory.
pub(crate) fn scan(mut config: LogConfig<'_>) -> Result<Scanned<'_>, OpenError> {
    let options = config.options;
    let threaded = config.mode == WriterMode::Thread;
    let make_room = std::mem::replace(&mut config.make_room, Box::new(|| false));
    let disk = Arc::clone(&config.disk);
    let segments = Segments::new(disk, options.segment_bytes, options.spare_segments, threaded, make_room);
    let disk = config.disk.as_ref();
    let survey = if config.fresh { found(disk, config.store, &segments)? } else { survey(disk, config.store)? };
    let (chain, tail_segment, offset) = replay(&survey, RecordKey::of(config.store))?;
    Ok(Scanned { config, segments, survey, chain, tail_segment, offset })
}

impl Scanned<'_> {
    /// What the log holds.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.chain.ledger
    }

    /// Cuts a torn end, removes what was given up, and starts the writer.
    pub(crate) fn start(self) -> Result<NodeLog, OpenError> {
        let Self { config, segments, survey, chain, tail_segment, offset } = self;
        let options = config.options;
        let witness = Witness::open(config.disk.as_ref()).map_err(OpenError::io("opening log/witness"))?;
        confirm(config.disk.as_ref(), &survey, tail_segment)
            .map_err(OpenError::io(format!("marking the segment before {}", segment_name(tail_segment))))?;
        let tail = settle(&survey, &chain, tail_segment, offset, &witness)?;
        let mut files = survey.live_files();
        let ready = files.split_off(&(tail_segment + 1)).into_iter().next();
        let ready = ready.and_then(|(number, file)| survey.headers.get(&number).map(|header| (*header, file)));
        for leftover in &survey.leftovers {
            let removed = failpoint::io(Point::LeftoverRemove).and_then(|()| config.disk.remove(leftover));
            removed.map_err(OpenError::io(format!("removing {leftover}")))?;
        }
        segments.adopt(survey.spares, ready);
        let fronts = chain.ledger.shards.iter().map(|(n, shard)| (*n, Arc::new(Front::from_ledger(shard)))).collect();
        let threaded = config.mode == WriterMode::Thread;
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_operations, options.queue_bytes, threaded),
            ledger: Mutex::new(chain.ledger),
            files: Mutex::new(BTreeMap::new()),
            fronts: Mutex::new(fronts),
            segments,
            failed: OnceLock::new(),
            fatal: config.fatal,
            stats: config.stats,
            batch_bytes: options.batch_bytes,
            cache_bytes: options.tail_cache_bytes as u64,
            segment_bytes: options.segment_bytes,
            target_bytes: options.log_target_bytes,
            witness,
        });
        for (number, file) in &files {
            shared.add_segment(*number, file);
        }
        let writer = Writer::new(Arc::clone(&shared), tail);
        NodeLog::start(shared, writer, config.mode, options.idle_mark_after)
            .map_err(OpenError::io("starting the log's threads"))
    }
}

/// Makes the log of a new directory. A directory without an identity may hold a log that was never written to.
fn found(disk: &dyn Disk, store: [u8; 16], segments: &Segments) -> Result<Survey, OpenError> {
    disk.create_dir(DIR).map_err(OpenError::io("making log/"))?;
    for name in disk.list(DIR).map_err(OpenError::io("listing log/"))? {
        let path = format!("{DIR}/{name}");
        if path == witness::FILE {
            // What it says of another store counts for nothing.
            continue;
        }
        if name.ends_with(".seg") {
            let file = disk.open(&path).map_err(OpenError::io(format!("opening {path}")))?;
            let bytes = read_all(file.as_ref(), &path)?;
            if has_records(&bytes) {
                return Err(OpenError::damaged("IDENTITY is missing, but the log has records", path));
            }
        }
        disk.remove(&path).map_err(OpenError::io(format!("removing {path}")))?;
    }
    let header = SegmentHeader { store, segment: 1, counter: 0, epoch: 0, synced: 0, first_live: 1, next: false };
    let ready = segments.take(header).map_err(OpenError::io("making the first log segment"))?;
    Ok(Survey::of_one(ready))
}

/// Whether a segment of an unknown store has records. Where its header cannot be read, anything in it may be one.
fn has_records(bytes: &[u8]) -> bool {
    let (slots, data) = bytes.split_at(bytes.len().min(DATA_START as usize));
    let store =
        slots.chunks(BLOCK as usize).find_map(|slot| SegmentHeader::decode(slot).ok()).map(|header| header.store);
    match store {
        Some(store) => find_records(RecordKey::of(store), data).next().is_some(),
        None => data.iter().any(|byte| *byte != 0),
    }
}

fn read_all(file: &dyn DiskFile, path: &str) -> Result<Bytes, OpenError> {
    file.read_at(0, file.len() as usize).map_err(OpenError::io(format!("reading {path}")))
}

/// Follows the chain through all live segments; the chain, the segment it ends in, and the offset after it.
fn replay(survey: &Survey, key: RecordKey) -> Result<(Chain, u64, u64), OpenError> {
    let mut chain = Chain { key, ledger: Ledger::default(), expected: None, last: None, highest_epoch: 0 };
    let synced = survey.synced();
    let mut end = (survey.first_live, DATA_START);
    for (number, file) in survey.live_files() {
        let path = segment_name(number);
        let bytes = read_all(file.as_ref(), &path)?;
        let header = &survey.headers[&number];
        let before = chain.expected;
        let offset = chain.follow(number, &bytes)?;
        chain.check_break(&bytes[offset as usize..], &format!("{path} at offset {offset}"))?;
        let got_some = chain.expected != before;
        let previous_says_next = number == survey.first_live || survey.headers[&(number - 1)].next;
        if got_some && !previous_says_next {
            return Err(OpenError::damaged("a segment has records, but the one before it does not say so", path));
        }
        if number == survey.first_live || previous_says_next {
            end = (number, offset);
        }
        let reached = chain.expected.map_or(0, |lsn| lsn - 1);
        let short = header.next && reached < header.synced || number == survey.last() && reached < synced;
        if short && !bug::is(Bug::DamageCutsLog) {
            let what =
                format!("the log ends at record {reached}, but was synced up to record {}", synced.max(header.synced));
            return Err(OpenError::damaged(what, format!("{path} at offset {offset}")));
        }
    }
    chain.ledger.complete().map_err(|what| OpenError::damaged(what, "log/"))?;
    Ok((chain, end.0, end.1))
}

impl Chain {
    /// Takes the records of a segment in, as far as they follow each other; the offset after them.
    fn follow(&mut self, segment: u64, bytes: &Bytes) -> Result<u64, OpenError> {
        let mut offset = DATA_START as usize;
        while offset < bytes.len() {
            match read_record(self.key, &bytes[offset..]) {
                Ok((header, body)) if self.continues(&header, offset) => {
                    let at = offset + RECORD_HEADER;
                    let place = Place { segment, offset: at as u32, len: body.len() as u32 };
                    self.take(&header, bytes.slice(at..at + body.len()), place).map_err(|what| {
                        OpenError::damaged(what, format!("{} at offset {offset}", segment_name(segment)))
                    })?;
                    offset = at + body.len();
                }
                _ if offset as u64 != align(offset as u64) => offset = align(offset as u64) as usize,
                _ => break,
            }
        }
        // Back from the alignment that led nowhere: the next batch starts at a block in any case.
        Ok((offset as u64).min(bytes.len() as u64))
    }

    /// Whether a valid record at `offset` is the next one.
    fn continues(&self, header: &RecordHeader, offset: usize) -> bool {
        let starts_batch = header.delta == 0 && offset as u64 == align(offset as u64);
        let Some(last) = self.last else {
            return starts_batch;
        };
        let same_batch = header.batch() == last.batch() && header.epoch == last.epoch && header.delta > 0;
        Some(header.lsn) == self.expected && (same_batch || starts_batch && header.epoch >= last.epoch)
    }

    fn take(&mut self, header: &RecordHeader, body: Bytes, place: Place) -> Result<(), String> {
        let record = Record::decode(header.kind, &body).map_err(|e| format!("record {}: {e}", header.lsn))?;
        let first_of_segment = u64::from(place.offset) == DATA_START + RECORD_HEADER as u64;
        if first_of_segment != matches!(record, Record::Checkpoint { .. }) {
            return Err(format!("record {} is no checkpoint, or one in the wrong place", header.lsn));
        }
        if !self.ledger.started() && !matches!(record, Record::Checkpoint { .. }) {
            return Err(format!("record {} comes before any checkpoint", header.lsn));
        }
        self.ledger.apply(header.shard, &record, place).map_err(|e| format!("record {}: {e}", header.lsn))?;
        self.expected = Some(header.lsn + 1);
        self.last = Some(*header);
        self.highest_epoch = self.highest_epoch.max(header.epoch);
        Ok(())
    }

    /// Looks at what stands after the chain's end. Records of an unacked, torn batch may be there, and old ones in a
    /// segment that was used before; a record of a later batch proves that what is missing was synced.
    fn check_break(&mut self, rest: &[u8], place: &str) -> Result<(), OpenError> {
        let expected = self.expected.unwrap_or(1);
        let epoch = self.last.map_or(0, |last| last.epoch);
        for found in find_records(self.key, rest) {
            self.highest_epoch = self.highest_epoch.max(found.epoch);
            if found.epoch >= epoch && found.batch() > expected && !bug::is(Bug::DamageCutsLog) {
                let what = format!(
                    "record {expected} is missing or damaged, but record {} of a later batch is there",
                    found.lsn
                );
                return Err(OpenError::damaged(what, place));
            }
        }
        Ok(())
    }
}

/// Makes durable that there is a tail segment: a process that ended while it began the segment may have left its name, or the mark of
/// the segment before, in memory only. The mark goes into the other slot, so whichever of the two is on the disk says so.
fn confirm(disk: &dyn Disk, survey: &Survey, tail: u64) -> io::Result<()> {
    failpoint::io(Point::TailNamed)?;
    disk.sync_dir(DIR)?;
    let Some((number, header)) = survey.headers.range(survey.first_live..tail).next_back() else { return Ok(()) };
    let header = SegmentHeader { counter: header.counter + 1, ..*header };
    let file = &survey.files[number];
    file.write_at(header.slot(), &header.encode())?;
    failpoint::io(Point::TailFollows)?;
    file.sync()
}

/// Writes a segment's records again, as they are.
fn rewrite(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    let mut from = DATA_START;
    while from < end {
        let bytes = file.read_at(from, REWRITE_BYTES.min(end - from) as usize)?;
        file.write_at(from, &bytes)?;
        from += bytes.len() as u64;
    }
    Ok(())
}

/// Writes what was read once more and syncs it, then marks it. A killed process may have left it in memory only; and after
/// a sync that failed the kernel keeps it in memory as if it were on the disk, so that a sync alone would not write it.
fn settle(survey: &Survey, chain: &Chain, segment: u64, offset: u64, witness: &Witness) -> Result<Tail, OpenError> {
    let file = Arc::clone(&survey.files[&segment]);
    let path = segment_name(segment);
    let mut header = survey.headers[&segment];
    let synced = chain.expected.map_or(0, |lsn| lsn - 1);
    let highest = survey.headers.values().map(|h| h.epoch).max().unwrap_or(0).max(chain.highest_epoch);
    header.counter += 1;
    header.synced = synced;
    header.first_live = survey.first_live;
    header.epoch = highest + 1;
    let write = || -> io::Result<()> {
        rewrite(file.as_ref(), align(offset))?;
        failpoint::io(Point::TailSync)?;
        file.sync()?;
        file.write_at(header.slot(), &header.encode())?;
        failpoint::io(Point::TailMarkSync)?;
        file.sync()?;
        failpoint::io(Point::TailWitness)?;
        witness.write(header)?;
        failpoint::io(Point::TailWitnessSync)?;
        witness.sync()
    };
    write().map_err(OpenError::io(format!("marking {path}")))?;
    Ok(Tail { file, header, synced, offset: align(offset), epoch: highest + 1 })
}
