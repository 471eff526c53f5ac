//! A store on simulated or real ground, and small helpers.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hansard_domain::{Change, Key, ShardId, Table};
use hansard_storage::{
    AppliedMark, Done, FreshIdentity, LogEntry, OpenError, Options, RocksOptions, Seams, ShardStore, SimDisk,
    SimEngine, Store, WriterMode,
};

pub(crate) const FRESH: FreshIdentity = FreshIdentity { store: [7; 16], node: 42 };
pub(crate) const CURRENT: &str = "log/0000000000000001.seg";

/// Simulated disk and engine, which outlive the store.
pub(crate) struct Rig {
    pub(crate) disk: SimDisk,
    pub(crate) engine: SimEngine,
    pub(crate) options: Options,
    pub(crate) mode: WriterMode,
    pub(crate) fatal: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    pub(crate) fn new(mode: WriterMode) -> Self {
        Self {
            disk: SimDisk::new(1),
            engine: SimEngine::new(),
            options: Options::small("sim", FRESH),
            mode,
            fatal: Arc::default(),
        }
    }

    pub(crate) fn try_open(&self) -> Result<Store, OpenError> {
        let engine = self.engine.clone();
        let fatal = Arc::clone(&self.fatal);
        let seams = Seams {
            disk: Arc::new(self.disk.clone()),
            engine: Box::new(move |check| {
                check(&engine)?;
                Ok(Arc::new(engine))
            }),
            writer: self.mode,
            fatal: Arc::new(move |what: &str| fatal.lock().unwrap().push(what.to_owned())),
        };
        Store::open(self.options.clone(), seams)
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    /// A power cut: what `dice` says of the unflushed state stays.
    pub(crate) fn power_cut(&mut self, dice: u64) {
        self.disk.crash();
        self.engine = self.engine.crash(dice);
    }

    pub(crate) fn fatals(&self) -> usize {
        self.fatal.lock().unwrap().len()
    }
}

pub(crate) fn id(n: u8) -> ShardId {
    ShardId::from_bytes([n; 16])
}

pub(crate) fn entries(term: u64, from: u64, to: u64) -> Vec<LogEntry> {
    (from..to).map(|index| LogEntry::new(term, index, format!("entry {term}.{index}").as_bytes())).collect()
}

pub(crate) fn ignore() -> Done {
    Box::new(|outcome| outcome.unwrap())
}

/// Appends and waits for the sync.
pub(crate) fn append(shard: &ShardStore, entries: &[LogEntry]) {
    let (sender, receiver) = std::sync::mpsc::channel();
    shard.log().append(entries, Box::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().unwrap().unwrap();
}

pub(crate) fn mark(term: u64, index: u64) -> AppliedMark {
    AppliedMark { term, index, membership: Bytes::from_static(b"members") }
}

pub(crate) fn put(key: &str, value: &str) -> Change {
    Change { table: Table::Event, key: Key::new(key.as_bytes()), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

pub(crate) fn indexes(shard: &ShardStore) -> Vec<(u64, u64)> {
    shard.log().read(0, 1, usize::MAX).unwrap().into_iter().chain(rest(shard)).map(|e| (e.term, e.index)).collect()
}

fn rest(shard: &ShardStore) -> Vec<LogEntry> {
    let from = shard.log().bounds().purged.map_or(1, |(_, index)| index + 1);
    shard.log().read(from, u64::MAX, usize::MAX).unwrap()
}

/// Applies entries up to `index` and makes them durable, so that the log may be purged.
pub(crate) fn apply_to(shard: &ShardStore, term: u64, index: u64) {
    shard.rows().commit(vec![put(&format!("{index:08}"), "value")], mark(term, index)).unwrap();
    shard.rows().flush().unwrap();
}

pub(crate) fn open_real(dir: &Path) -> Result<Store, OpenError> {
    let options = Options { segment_bytes: 1 << 20, ..Options::small(dir, FRESH) };
    let small = RocksOptions { write_buffer_bytes: 1 << 20, block_cache_bytes: 1 << 20, ..RocksOptions::default() };
    Store::open_real(options, small)
}
