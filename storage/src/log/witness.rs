//! A second tail mark, in a file of its own.
//!
//! The mark in a segment's header goes where the segment goes: an older copy of the last segment looks whole. The witness is
//! written after each sync, before anybody is told, and is itself synced beside the writer, so that no batch waits for it.
//! Whatever of it is on the disk is true: after a kill it knows of every batch, after a power cut of those before its last sync.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hansard_failpoint::{self as failpoint, Point};

use super::format::{BLOCK, SegmentHeader};
use super::segments::DIR;
use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;

/// Where it is.
pub(super) const FILE: &str = "log/witness";
const BYTES: u64 = 2 * BLOCK;

/// Up to where the log was synced, as the witness has it; 0 where there is none that can be read: it guards the log, and is not
/// guarded itself.
pub(crate) fn read(disk: &dyn Disk, store: [u8; 16]) -> Result<u64, OpenError> {
    let failed = || OpenError::io(format!("reading {FILE}"));
    if disk.len(FILE).map_err(failed())? != Some(BYTES) {
        return Ok(0);
    }
    let file = disk.open(FILE).map_err(failed())?;
    let mut synced = 0;
    for slot in 0..2 {
        let bytes = file.read_at(slot * BLOCK, BLOCK as usize).map_err(failed())?;
        if let Ok(mark) = SegmentHeader::decode(&bytes)
            && mark.store == store
        {
            synced = synced.max(mark.synced);
        }
    }
    Ok(synced)
}

/// The witness of an open log.
pub(crate) struct Witness {
    file: Arc<dyn DiskFile>,
    counter: AtomicU64,
    /// Whether it was written since it was synced.
    stale: AtomicBool,
}

impl Witness {
    /// The one that is there, or a new one.
    pub(crate) fn open(disk: &dyn Disk) -> io::Result<Self> {
        let file = match disk.len(FILE)? {
            Some(BYTES) => disk.open(FILE)?,
            _ => {
                failpoint::io(Point::WitnessCreate)?;
                disk.create(FILE, BYTES, &|_| ())?
            }
        };
        // Each time: a start that made it may have ended before its name was durable.
        failpoint::io(Point::WitnessNamed)?;
        disk.sync_dir(DIR)?;
        Ok(Self { file, counter: AtomicU64::new(0), stale: AtomicBool::new(false) })
    }

    /// Says up to where the log is synced. The slot before is kept: a torn write must not take both.
    pub(crate) fn write(&self, mark: SegmentHeader) -> io::Result<()> {
        failpoint::io(Point::WitnessWrite)?;
        let mark = SegmentHeader { counter: self.counter.fetch_add(1, Ordering::Relaxed), ..mark };
        self.file.write_at(mark.slot(), &mark.encode())?;
        self.stale.store(true, Ordering::Release);
        Ok(())
    }

    /// Makes it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if !self.stale.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        failpoint::io(Point::WitnessSync)?;
        self.file.sync()
    }
}
