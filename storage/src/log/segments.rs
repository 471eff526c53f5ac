//! Segment files: names, the next one made ready ahead of need, old ones used again.
//!
//! Overwriting zeroed blocks syncs thirty times faster than growing a file, so a segment is zeroed and synced before
//! it is needed. A segment that is not needed any more becomes a spare: its blocks exist already, and the sequence
//! numbers in what it still holds are too old to be mistaken for records.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hansard_failpoint::{self as failpoint, Point};

use super::format::{BLOCK, SegmentHeader};
use crate::disk::{Disk, DiskFile};

/// Directory of the log.
pub(crate) const DIR: &str = "log";

/// After so long a write of zeros ahead of need the device is left alone for so many times as long: acks wait behind them.
const RESTS: u32 = 3;

/// Path of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{DIR}/{number:016x}.seg")
}

/// The number in a segment's file name.
pub(crate) fn segment_number(file: &str) -> Option<u64> {
    let hex = file.strip_suffix(".seg")?;
    if hex.len() == 16 { u64::from_str_radix(hex, 16).ok() } else { None }
}

fn spare_name(number: u64) -> String {
    format!("{DIR}/{number:016x}.spare")
}

/// A segment that is ready: its header and name are durable.
pub(crate) type Ready = (SegmentHeader, Arc<dyn DiskFile>);

#[derive(Default)]
struct State {
    /// The segment to make ready.
    wanted: Option<SegmentHeader>,
    ready: Option<Ready>,
    /// Segments to make spares of.
    retired: Vec<u64>,
    spares: Vec<String>,
    busy: bool,
    /// The writer waits for the segment that is made ready.
    awaited: bool,
    stopped: bool,
}

/// Makes and keeps segments.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    bytes: u64,
    keep: usize,
    /// Called when the disk is full; true if that made room.
    make_room: Box<dyn Fn() -> bool + Send + Sync>,
    /// Whether a thread runs [`work`](Self::work).
    threaded: bool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Segments {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        bytes: u64,
        keep: usize,
        threaded: bool,
        make_room: Box<dyn Fn() -> bool + Send + Sync>,
    ) -> Self {
        Self { disk, bytes, keep, make_room, threaded, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a former life left: spare files, and a segment that was made ready.
    pub(crate) fn adopt(&self, spares: Vec<String>, ready: Option<Ready>) {
        let mut state = self.state();
        state.spares = spares;
        state.ready = ready;
    }

    /// Asks for the segment with this header ahead of need.
    pub(crate) fn want(&self, header: SegmentHeader) {
        let mut state = self.state();
        if self.threaded && state.ready.as_ref().is_none_or(|(h, _)| h.segment != header.segment) {
            state.wanted = Some(header);
            self.changed.notify_all();
        }
    }

    /// The segment with this header, made now if it is not ready.
    pub(crate) fn take(&self, header: SegmentHeader) -> io::Result<Ready> {
        let mut state = self.state();
        while state.busy {
            state.awaited = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = false;
        state.wanted = None;
        if let Some(ready) = state.ready.take()
            && ready.0.segment == header.segment
        {
            return Ok(ready);
        }
        drop(state);
        self.make(header)
    }

    /// Gives segments up that nothing needs; the mark that says so is durable.
    pub(crate) fn retire(&self, numbers: Vec<u64>) -> io::Result<()> {
        self.state().retired.extend(numbers);
        if self.threaded {
            self.changed.notify_all();
            return Ok(());
        }
        self.recycle()
    }

    /// The preparing thread: makes segments and spares until [`stop`](Self::stop).
    pub(crate) fn work(&self) {
        loop {
            let mut state = self.state();
            while !state.stopped && state.wanted.is_none() && state.retired.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stopped {
                return;
            }
            state.busy = true;
            drop(state);
            if let Err(error) = self.recycle() {
                tracing::warn!(%error, "old log segments could not be recycled; a restart removes them");
            }
            let wanted = self.state().wanted.take();
            let made = wanted.map(|header| self.make(header));
            let mut state = self.state();
            match made {
                Some(Ok(ready)) => state.ready = Some(ready),
                // Tried again, by the writer, when the segment is needed.
                Some(Err(error)) => {
                    tracing::warn!(%error, "the next log segment could not be made ready")
                }
                None => {}
            }
            state.busy = false;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Ends [`work`](Self::work).
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    fn recycle(&self) -> io::Result<()> {
        let retired = std::mem::take(&mut self.state().retired);
        for number in &retired {
            failpoint::io(Point::SegmentRetire)?;
            let full = self.state().spares.len() >= self.keep;
            if full {
                self.disk.remove(&segment_name(*number))?;
            } else {
                let spare = spare_name(*number);
                self.disk.rename(&segment_name(*number), &spare)?;
                self.state().spares.push(spare);
            }
        }
        if retired.is_empty() { Ok(()) } else { self.disk.sync_dir(DIR) }
    }

    fn make(&self, header: SegmentHeader) -> io::Result<Ready> {
        match self.try_make(header) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && (self.make_room)() => self.try_make(header),
            other => other,
        }
    }

    /// The file gets its name only when its header is durable, so a named segment always has one.
    fn try_make(&self, header: SegmentHeader) -> io::Result<Ready> {
        let spare = self.state().spares.pop();
        let (name, file) = match spare {
            Some(name) => match self.disk.open(&name) {
                Ok(file) if file.len() == self.bytes => (name, file),
                _ => {
                    self.disk.remove(&name)?;
                    self.blank(header.segment)?
                }
            },
            None => self.blank(header.segment)?,
        };
        let zeros = vec![0; BLOCK as usize];
        file.write_at(BLOCK - header.slot(), &zeros)?;
        file.write_at(header.slot(), &header.encode())?;
        failpoint::io(Point::SegmentHeader)?;
        file.sync()?;
        self.disk.rename(&name, &segment_name(header.segment))?;
        failpoint::io(Point::SegmentNamed)?;
        self.disk.sync_dir(DIR)?;
        Ok((header, file))
    }

    /// Leaves the device to others after a piece of zeros that took so long, unless the writer waits for it.
    fn rest(&self, took: Duration) {
        let unhurried = |state: &mut State| state.busy && !state.awaited && !state.stopped;
        drop(self.changed.wait_timeout_while(self.state(), took * RESTS, unhurried));
    }

    fn blank(&self, number: u64) -> io::Result<(String, Arc<dyn DiskFile>)> {
        let name = spare_name(number);
        match failpoint::io(Point::SegmentCreate)
            .and_then(|()| self.disk.create(&name, self.bytes, &|took| self.rest(took)))
        {
            Ok(file) => Ok((name, file)),
            Err(error) => {
                let _ = self.disk.remove(&name);
                Err(error)
            }
        }
    }
}
