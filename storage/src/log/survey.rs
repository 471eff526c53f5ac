//! Which segments there are, and whether they are all there must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::format::{BLOCK, DATA_START, SegmentHeader, VERSION};
use super::segments::{DIR, Ready, segment_name, segment_number};
use super::witness;
use crate::codec::CodecError;
use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;

/// The files of the log and what their headers say.
pub(super) struct Survey {
    pub(super) headers: BTreeMap<u64, SegmentHeader>,
    pub(super) files: BTreeMap<u64, Arc<dyn DiskFile>>,
    pub(super) first_live: u64,
    /// Segments that were given up before a crash.
    pub(super) leftovers: Vec<String>,
    pub(super) spares: Vec<String>,
    /// Up to where the log was synced, as the witness has it.
    witnessed: u64,
}

impl Survey {
    pub(super) fn of_one((header, file): Ready) -> Self {
        let number = header.segment;
        Self {
            headers: BTreeMap::from([(number, header)]),
            files: BTreeMap::from([(number, file)]),
            first_live: number,
            leftovers: Vec::new(),
            spares: Vec::new(),
            witnessed: 0,
        }
    }

    pub(super) fn live_files(&self) -> BTreeMap<u64, Arc<dyn DiskFile>> {
        self.files.range(self.first_live..).map(|(number, file)| (*number, Arc::clone(file))).collect()
    }

    pub(super) fn last(&self) -> u64 {
        self.files.last_key_value().map_or(self.first_live, |(number, _)| *number)
    }

    /// The highest tail mark.
    pub(super) fn synced(&self) -> u64 {
        self.headers.values().map(|h| h.synced).fold(self.witnessed, u64::max)
    }
}

/// Reads all headers and checks that no segment is missing.
pub(super) fn survey(disk: &dyn Disk, store: [u8; 16]) -> Result<Survey, OpenError> {
    let (mut headers, mut files, mut spares) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for name in disk.list(DIR).map_err(OpenError::io("listing log/"))? {
        let path = format!("{DIR}/{name}");
        if name.ends_with(".spare") {
            spares.push(path);
            continue;
        }
        let Some(number) = segment_number(&name) else {
            continue;
        };
        let file = disk.open(&path).map_err(OpenError::io(format!("opening {path}")))?;
        headers.insert(number, header(file.as_ref(), number, store)?);
        files.insert(number, file);
    }
    let Some(first_live) = headers.values().map(|h| h.first_live).max() else {
        return Err(OpenError::damaged("all log segments are missing", "log/"));
    };
    let last = *headers.last_key_value().map_or(&first_live, |(number, _)| number);
    for number in first_live..=last {
        if !files.contains_key(&number) {
            return Err(OpenError::damaged("a log segment is missing", segment_name(number)));
        }
    }
    if headers.get(&last).is_none_or(|h| h.next) {
        return Err(OpenError::damaged("a log segment is missing", segment_name(last.max(first_live - 1) + 1)));
    }
    let witnessed = witness::read(disk, store)?;
    let leftovers = files.range(..first_live).map(|(number, _)| segment_name(*number)).collect();
    Ok(Survey { headers, files, first_live, leftovers, spares, witnessed })
}

/// The newer of the two header slots that can be read.
fn header(file: &dyn DiskFile, number: u64, store: [u8; 16]) -> Result<SegmentHeader, OpenError> {
    let path = segment_name(number);
    if file.len() < DATA_START {
        return Err(OpenError::damaged(format!("the segment has {} bytes only", file.len()), path));
    }
    let (mut best, mut other): (Option<SegmentHeader>, _) = (None, None);
    for slot in 0..2 {
        let bytes = file.read_at(slot * BLOCK, BLOCK as usize).map_err(OpenError::io(format!("reading {path}")))?;
        match SegmentHeader::decode(&bytes) {
            Ok(header) if header.segment == number && best.is_none_or(|b| header.counter > b.counter) => {
                best = Some(header);
            }
            Err(CodecError::Version(found)) => other = Some(found),
            _ => {}
        }
    }
    let header = match (best, other) {
        (Some(header), _) => header,
        (None, Some(found)) if found > VERSION => {
            return Err(OpenError::NewerFormat { what: "the log", found, known: VERSION });
        }
        (None, Some(found @ 1..VERSION)) => {
            return Err(OpenError::OlderFormat { what: "the log", found, oldest: VERSION });
        }
        (None, _) => return Err(OpenError::damaged("both header slots are unreadable", path)),
    };
    if header.store != store {
        return Err(OpenError::damaged("the segment belongs to another store than IDENTITY says", path));
    }
    Ok(header)
}
