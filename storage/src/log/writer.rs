//! The one writer of the log: group commit over all shards.
//!
//! Everything that waits becomes one write and one sync; then all callbacks run, in order. The first failure is the
//! last thing the writer does: a failed sync says nothing about what is durable, and neither would a second.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use hansard_domain::bug::{self, Bug};
use hansard_failpoint::{self as failpoint, Point};

use super::Shared;
use super::format::{DATA_START, RECORD_HEADER, RecordHeader, RecordKey, SegmentHeader, align, put_record};
use super::front::Front;
use super::ledger::{Ledger, Place};
use super::queue::{Done, Op};
use super::record::Record;
use crate::disk::DiskFile;
use crate::stats::Stats;

/// Log bytes after which the tail mark rides on a batch; when idle it is synced on its own.
const MARK_EVERY: u64 = 128 << 10;

/// An entry that was written, in the order in which memory forgets them.
struct Written {
    front: Arc<Front>,
    term: u64,
    index: u64,
}

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    file: Arc<dyn DiskFile>,
    /// Header of the current segment as last written; `synced` and `first_live` are ahead of it.
    header: SegmentHeader,
    synced: u64,
    first_live: u64,
    offset: u64,
    epoch: u32,
    key: RecordKey,
    buffer: Vec<u8>,
    staged: Vec<(u32, Record, Place)>,
    dones: Vec<Done>,
    unmarked: u64,
    written: VecDeque<Written>,
}

/// Where the writer goes on.
pub(crate) struct Tail {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) synced: u64,
    pub(crate) offset: u64,
    pub(crate) epoch: u32,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, tail: Tail) -> Self {
        let writer = Self {
            shared,
            file: tail.file,
            header: tail.header,
            synced: tail.synced,
            first_live: tail.header.first_live,
            offset: tail.offset,
            epoch: tail.epoch,
            key: RecordKey::of(tail.header.store),
            buffer: Vec::new(),
            staged: Vec::new(),
            dones: Vec::new(),
            unmarked: 0,
            written: VecDeque::new(),
        };
        writer.shared.segments.want(writer.next_header());
        writer
    }

    /// Writes operations in order, in as few syncs as their size allows, and calls back.
    pub(crate) fn run(&mut self, ops: Vec<Op>) {
        let mut waiting = ops.into_iter();
        while let Some(mut op) = waiting.next() {
            let done = op.done.take();
            let outcome = self.stage(op);
            self.dones.extend(done);
            if let Err(error) = outcome {
                return self.fail(&error, waiting);
            }
        }
        let outcome = self.commit().and_then(|()| self.relocate());
        if let Err(error) = outcome {
            self.fail(&error, waiting);
        }
    }

    /// Syncs the tail mark if it is behind. For when nothing else is to do.
    pub(crate) fn idle(&mut self) {
        if self.mark_is_stale()
            && self.shared.failed.get().is_none()
            && let Err(error) = self.sync_mark()
        {
            self.fail(&error, Vec::new().into_iter());
        }
    }

    /// The mark at the end of the store's life. A failure loses nothing: the log itself is synced.
    pub(crate) fn last_mark(&mut self) {
        if self.shared.failed.get().is_some() {
            return;
        }
        let marked = if self.mark_is_stale() { self.sync_mark() } else { Ok(()) };
        if let Err(error) = marked.and_then(|()| self.shared.witness.sync()) {
            tracing::warn!(%error, "the log's tail mark could not be synced while closing");
        }
    }

    pub(crate) fn mark_is_stale(&self) -> bool {
        self.header.synced != self.synced
    }

    fn fail(&mut self, error: &io::Error, rest: std::vec::IntoIter<Op>) {
        let mut dones = std::mem::take(&mut self.dones);
        dones.extend(rest.filter_map(|op| op.done));
        self.shared.fail(error, dones);
    }

    fn stage(&mut self, op: Op) -> io::Result<()> {
        if op.records.is_empty() {
            return Ok(());
        }
        let size = op.size();
        if !self.buffer.is_empty() && (self.buffer.len() + size > self.shared.batch_bytes || !self.fits(size)) {
            self.commit()?;
        }
        if self.buffer.is_empty() {
            if !self.fits(size) {
                self.rotate()?;
            }
            if self.offset == DATA_START {
                let checkpoint = self.shared.ledger().checkpoint();
                let body = checkpoint.body();
                self.put(0, checkpoint, &body);
            }
        }
        if !self.fits(size) {
            return Err(io::Error::other(
                "the checkpoint of all shards leaves no room in a segment: make segments larger",
            ));
        }
        for (record, body) in op.records {
            self.put(op.shard, record, &body);
        }
        Ok(())
    }

    /// Whether `size` more bytes fit the segment.
    fn fits(&self, size: usize) -> bool {
        align(self.offset + (self.buffer.len() + size) as u64) <= self.file.len()
    }

    fn put(&mut self, shard: u32, record: Record, body: &[u8]) {
        let delta = self.staged.len() as u32;
        let lsn = self.synced + 1 + u64::from(delta);
        let place = Place {
            segment: self.header.segment,
            offset: (self.offset as usize + self.buffer.len() + RECORD_HEADER) as u32,
            len: body.len() as u32,
        };
        let header = RecordHeader { kind: record.kind(), lsn, delta, epoch: self.epoch, shard };
        put_record(self.key, &mut self.buffer, &header, body);
        self.staged.push((shard, record, place));
    }

    /// One write, one sync, then everybody is told.
    fn commit(&mut self) -> io::Result<()> {
        if !self.staged.is_empty() {
            self.write_batch()?;
            let frees = self.take_in();
            self.forget();
            if frees {
                self.release()?;
            }
        }
        for done in self.dones.drain(..) {
            done(Ok(()));
        }
        Ok(())
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let end = align(self.offset + self.buffer.len() as u64);
        self.buffer.resize((end - self.offset) as usize, 0);
        failpoint::io(Point::LogWrite)?;
        self.file.write_at(self.offset, &self.buffer)?;
        self.unmarked += self.buffer.len() as u64;
        if self.unmarked >= MARK_EVERY {
            self.write_mark()?;
        }
        failpoint::io(Point::LogSync)?;
        if !bug::is(Bug::AckBeforeFsync) {
            self.sync()?;
        }
        failpoint::pass(Point::LogSynced);
        self.synced += self.staged.len() as u64;
        self.offset = end;
        self.shared.witness.write(SegmentHeader { synced: self.synced, ..self.header })?;
        let stats = &self.shared.stats;
        Stats::add(&stats.batches, 1);
        Stats::add(&stats.records, self.staged.len() as u64);
        Stats::add(&stats.log_bytes_written, self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    /// Puts the batch into the ledger; whether something became needless.
    fn take_in(&mut self) -> bool {
        let mut frees = false;
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.ledger();
        let mut front: Option<Arc<Front>> = None;
        for (shard, record, place) in self.staged.drain(..) {
            // What was submitted was checked against the front, which sees the same order.
            ledger.apply(shard, &record, place).expect("the writer's ledger follows what was submitted");
            frees |= record.frees();
            let last = ledger.shards.get(&shard).map(|s| s.state.last);
            if front.as_ref().is_none_or(|f| f.number != shard) {
                front = shared.front(shard);
            }
            let (Some(front), Some(last)) = (&front, last) else {
                continue;
            };
            front.set_synced(last);
            if let (Record::Entry(_), Some((term, index))) = (record, last) {
                self.written.push_back(Written { front: Arc::clone(front), term, index });
            }
        }
        frees
    }

    /// Drops the oldest entries from memory while there are too many.
    fn forget(&mut self) {
        while self.shared.cached_bytes() > self.shared.cache_bytes {
            let Some(oldest) = self.written.pop_front() else {
                break;
            };
            self.shared.uncache(oldest.front.forget(oldest.term, oldest.index));
        }
        // Entries that were purged are in the queue still; it must not outgrow what is cached.
        while self.written.len() > self.shared.cached_entries_limit() {
            let Some(oldest) = self.written.pop_front() else {
                break;
            };
            self.shared.uncache(oldest.front.forget(oldest.term, oldest.index));
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.file.sync() {
            Err(_) if bug::is(Bug::RetryFailedFsync) => self.file.sync()?,
            synced => synced?,
        }
        Stats::add(&self.shared.stats.fsyncs, 1);
        Ok(())
    }

    fn write_mark(&mut self) -> io::Result<()> {
        failpoint::io(Point::MarkWrite)?;
        self.header.counter += 1;
        self.header.synced = self.synced;
        self.header.first_live = self.first_live;
        self.header.epoch = self.epoch;
        let slot = self.header.encode();
        self.file.write_at(self.header.slot(), &slot)?;
        self.unmarked = 0;
        Stats::add(&self.shared.stats.log_bytes_written, slot.len() as u64);
        Ok(())
    }

    fn sync_mark(&mut self) -> io::Result<()> {
        self.write_mark()?;
        failpoint::io(Point::MarkSync)?;
        self.sync()
    }

    fn next_header(&self) -> SegmentHeader {
        let first_live = self.first_live;
        SegmentHeader {
            segment: self.header.segment + 1,
            counter: 0,
            synced: 0,
            first_live,
            next: false,
            ..self.header
        }
    }

    /// Goes on in the next segment. That there is one is durable before it gets a record.
    fn rotate(&mut self) -> io::Result<()> {
        let (header, file) = self.shared.segments.take(self.next_header())?;
        self.header.next = true;
        self.sync_mark()?;
        self.shared.witness.sync()?;
        failpoint::pass(Point::SegmentRotated);
        self.shared.add_segment(header.segment, &file);
        self.header = header;
        self.file = file;
        self.offset = DATA_START;
        self.shared.segments.want(self.next_header());
        self.release()
    }

    /// Gives up segments at the front of the log in which nothing is live. The mark says so first.
    fn release(&mut self) -> io::Result<()> {
        let current = self.header.segment;
        let first = self.shared.ledger().live.first_key_value().map_or(current, |(segment, _)| *segment);
        if first <= self.first_live {
            return Ok(());
        }
        let gone: Vec<u64> = (self.first_live..first).collect();
        self.first_live = first;
        self.sync_mark()?;
        failpoint::pass(Point::SegmentReleased);
        self.shared.drop_segments(first);
        self.shared.segments.retire(gone)
    }

    /// Writes the few live entries of the first segment again, if the log is too long: a quiet shard must not pin it.
    fn relocate(&mut self) -> io::Result<()> {
        if self.shared.log_bytes() <= self.shared.target_bytes || self.first_live == self.header.segment {
            return Ok(());
        }
        let ops = relocations(&self.shared, self.first_live)?;
        if !ops.is_empty() {
            failpoint::pass(Point::Relocate);
        }
        for op in ops {
            self.stage(op)?;
        }
        self.commit()
    }
}

/// The live entries of a segment as records to write again; none if they are most of what a segment holds.
fn relocations(shared: &Shared, segment: u64) -> io::Result<Vec<Op>> {
    let places = {
        let ledger = shared.ledger();
        let live = ledger.live.get(&segment).copied().unwrap_or(0);
        if live > shared.segment_bytes / 4 { Vec::new() } else { live_places(&ledger, segment) }
    };
    let mut ops = Vec::new();
    for (shard, place) in places {
        let frame = shared.read_place(place)?;
        ops.push(Op::new(shard, vec![Record::Relocated(frame)], None));
        Stats::add(&shared.stats.relocated_entries, 1);
    }
    Ok(ops)
}

fn live_places(ledger: &Ledger, segment: u64) -> Vec<(u32, Place)> {
    let mut places = Vec::new();
    for (number, shard) in &ledger.shards {
        let here = shard.entries.values().filter(|(_, place)| place.segment == segment);
        places.extend(here.map(|(_, place)| (*number, *place)));
    }
    places
}
