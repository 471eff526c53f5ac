//! One damage to the segment of a closed log: what was acked is all there, or the store refuses to open.

use std::ops::Range;
use std::sync::Arc;

use hansard_domain::ShardId;
use hansard_storage::{FreshIdentity, LogEntry, OpenError, Options, Seams, SimDisk, SimEngine, Store, WriterMode};

use crate::law::{demand, refused};
use crate::target::{Seen, Target, Verdict};

pub(super) const TARGETS: [Target; 1] = [Target::new("storage/log-segment", damages, damaged).allowed(2 << 20, 1)];

const SEGMENT: &str = "log/0000000000000001.seg";
const SHARD: ShardId = ShardId::from_bytes([1; 16]);
/// Entries that were acked, in batches of [`BATCH`].
const ENTRIES: u64 = 30;
const BATCH: u64 = 10;

/// What happens to a part of the segment, in twelve bytes: what (u8), with which byte (u8), from where on (u32, modulo the
/// segment's length), for how many bytes (u32), opened so often before (u16, at most 3).
fn damages() -> Vec<Vec<u8>> {
    // Parts that nothing was written to: the store opens, and has all.
    let harmless = |what: u8, times: u16| {
        [&[what, 0][..], &60_000_u32.to_be_bytes(), &5_u32.to_be_bytes(), &times.to_be_bytes()].concat()
    };
    vec![harmless(0, 0), harmless(1, 1), harmless(2, 2), harmless(3, 0)]
}

struct Damage {
    what: u8,
    byte: u8,
    from: usize,
    count: usize,
    opened: u16,
}

impl Damage {
    fn read(input: &[u8]) -> Option<Self> {
        let (head, opened) = input.split_last_chunk::<2>()?;
        let (head, count) = head.split_last_chunk::<4>()?;
        let (head, from) = head.split_last_chunk::<4>()?;
        let [what, byte] = head else { return None };
        let (from, count) = (u32::from_be_bytes(*from) as usize, u32::from_be_bytes(*count) as usize);
        Some(Self { what: *what, byte: *byte, from, count, opened: u16::from_be_bytes(*opened) % 4 })
    }

    fn strike(&self, segment: &mut Vec<u8>) {
        let from = self.from % segment.len();
        let range: Range<usize> = from..from.saturating_add(self.count).min(segment.len());
        match self.what % 4 {
            0 => segment[range].fill(self.byte),
            1 => segment[range].iter_mut().for_each(|byte| *byte ^= self.byte),
            2 => segment.truncate(from),
            _ => drop(segment.drain(range)),
        }
    }
}

fn damaged(input: &[u8]) -> Verdict {
    let Some(damage) = Damage::read(input) else { return Ok(Seen::Refused) };
    let disk = SimDisk::new(1);
    let store = open(&disk).expect("a new store opens");
    let shard = store.shard(SHARD).expect("a shard");
    for first in (1..=ENTRIES).step_by(BATCH as usize) {
        let entries: Vec<_> = (first..first + BATCH).map(|index| LogEntry::new(1, index, b"an entry")).collect();
        shard.log().append(&entries, Box::new(|outcome| outcome.expect("the disk is sound")));
    }
    store.sync_mark();
    drop((shard, store));
    disk.crash();
    for _ in 0..damage.opened {
        drop(open(&disk).expect("the disk is sound"));
        disk.crash();
    }
    disk.edit(SEGMENT, |segment| damage.strike(segment));
    match open(&disk) {
        Err(error) => refused(input, &error),
        Ok(store) => {
            let shard = store.shard(SHARD).map_err(|error| error.to_string())?;
            let entries = shard.log().read(1, u64::MAX, usize::MAX).map_err(|error| error.to_string())?;
            demand(entries.len() as u64 == ENTRIES, || format!("{} of {ENTRIES} entries are left", entries.len()))?;
            Ok(Seen::Taken)
        }
    }
}

fn open(disk: &SimDisk) -> Result<Store, OpenError> {
    let engine = SimEngine::new();
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        engine: Box::new(move |check| {
            check(&engine)?;
            Ok(Arc::new(engine))
        }),
        writer: WriterMode::Inline,
        fatal: Arc::new(|what: &str| panic!("{what}")),
    };
    Store::open(Options::small("sim", FreshIdentity { store: [7; 16], node: 42 }), seams)
}
