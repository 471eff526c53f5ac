//! A disk in memory that loses, tears and damages as real ones do, by a seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{Disk, DiskFile, DiskLock};

/// What a crash keeps or loses as a whole: devices write sectors atomically, not batches.
const SECTOR: usize = 512;

/// Faults to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimDiskFaults {
    /// The write after this many more fails with EIO, having written some of its sectors.
    pub write_error_after: Option<u64>,
    /// The sync after this many more fails with EIO; which writes became durable is drawn, later syncs succeed.
    pub sync_error_after: Option<u64>,
    /// Bytes the disk holds; more is ENOSPC.
    pub capacity: Option<u64>,
}

#[derive(Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last sync.
    dirty: std::collections::BTreeSet<usize>,
}

struct Inner {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    next_file: u64,
    locked: bool,
    /// Grows with every crash; handles of an earlier life are dead.
    life: u64,
    dice: u64,
    faults: SimDiskFaults,
    /// Injected EIOs that were returned in this life.
    struck: u64,
}

/// A deterministic disk. Clones share it, as two processes would.
#[derive(Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

fn eio() -> io::Error {
    io::Error::other("injected input/output error")
}

impl Inner {
    /// splitmix64.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn end_life(&mut self) {
        self.life += 1;
        self.locked = false;
        self.struck = 0;
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|f| f.live.len() as u64).sum()
    }

    /// Each sector that was not synced becomes durable or is lost, by the dice.
    fn settle(&mut self, id: u64) {
        let dirty = std::mem::take(&mut self.files.get_mut(&id).expect("file exists").dirty);
        for sector in dirty {
            let keep = self.roll().is_multiple_of(2);
            let file = self.files.get_mut(&id).expect("file exists");
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(file.live.len()));
            if keep && to <= file.durable.len() {
                file.durable[from..to].copy_from_slice(&file.live[from..to]);
            }
        }
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> io::Result<u64> {
        let old = self.names.get(name).and_then(|id| self.files.get(id)).map_or(0, |f| f.live.len() as u64);
        if self.faults.capacity.is_some_and(|c| self.used() - old + bytes.len() as u64 > c) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, File { durable: bytes.clone(), live: bytes, ..File::default() });
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }
}

/// Counts a planned fault down; true when it strikes.
fn strikes(plan: &mut Option<u64>) -> bool {
    match plan {
        Some(0) => {
            *plan = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl SimDisk {
    /// An empty disk whose faults are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            next_file: 0,
            locked: false,
            life: 0,
            dice: seed,
            faults: SimDiskFaults::default(),
            struck: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans faults, in place of those planned before.
    pub fn set_faults(&self, faults: SimDiskFaults) {
        self.inner().faults = faults;
    }

    /// Injected EIOs that were returned since the last crash or kill.
    pub fn struck(&self) -> u64 {
        self.inner().struck
    }

    /// Bytes of all files.
    pub fn used_bytes(&self) -> u64 {
        self.inner().used()
    }

    /// Cuts the power: unsynced sectors are kept or lost by the dice, unsynced names are lost, handles are dead,
    /// the lock is free.
    pub fn crash(&self) {
        let mut inner = self.inner();
        let ids: Vec<u64> = inner.files.keys().copied().collect();
        for id in ids {
            inner.settle(id);
            let file = inner.files.get_mut(&id).expect("file exists");
            file.live = file.durable.clone();
        }
        inner.names = inner.durable_names.clone();
        let kept: std::collections::BTreeSet<u64> = inner.names.values().copied().collect();
        inner.files.retain(|id, _| kept.contains(id));
        inner.end_life();
        inner.faults = SimDiskFaults { capacity: inner.faults.capacity, ..SimDiskFaults::default() };
    }

    /// Kills the process without a power cut: the page cache survives, handles are dead, the lock is free.
    pub fn kill(&self) {
        self.inner().end_life();
    }

    /// Flips one bit of a file, durably.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u8) {
        self.edit(name, |bytes| bytes[offset] ^= 1 << bit);
    }

    /// Changes a file behind the store's back, durably.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let id = inner.names[name];
        let file = inner.files.get_mut(&id).expect("file exists");
        change(&mut file.live);
        file.durable = file.live.clone();
        file.dirty.clear();
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        self.inner().names.keys().cloned().collect()
    }
}

struct SimFile {
    disk: SimDisk,
    id: u64,
    life: u64,
    len: u64,
}

impl SimFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.disk.inner();
        if inner.life == self.life && inner.files.contains_key(&self.id) { Ok(inner) } else { Err(eio()) }
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.alive()?;
        let fails = strikes(&mut inner.faults.write_error_after);
        let written = if fails { bytes.len() / 2 / SECTOR * SECTOR } else { bytes.len() };
        let file = inner.files.get_mut(&self.id).expect("alive");
        let from = offset as usize;
        file.live[from..from + written].copy_from_slice(&bytes[..written]);
        if written > 0 {
            file.dirty.extend(from / SECTOR..=(from + written - 1) / SECTOR);
        }
        inner.struck += u64::from(fails);
        if fails { Err(eio()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.alive()?;
        if strikes(&mut inner.faults.sync_error_after) {
            inner.settle(self.id);
            inner.struck += 1;
            return Err(eio());
        }
        let file = inner.files.get_mut(&self.id).expect("alive");
        for sector in std::mem::take(&mut file.dirty) {
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(file.live.len()));
            file.durable[from..to].copy_from_slice(&file.live[from..to]);
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let inner = self.alive()?;
        let from = offset as usize;
        match inner.files[&self.id].live.get(from..from + len) {
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

struct SimLock {
    disk: SimDisk,
    life: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        if inner.life == self.life {
            inner.locked = false;
        }
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for SimDisk {
    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut inner = self.inner();
        if inner.locked {
            return Ok(None);
        }
        inner.locked = true;
        let life = inner.life;
        drop(inner);
        Ok(Some(Box::new(SimLock { disk: self.clone(), life })))
    }

    fn create_dir(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, name: &str, len: u64, _: &dyn Fn(Duration)) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.inner();
        let id = inner.add(name, vec![0; len as usize])?;
        let life = inner.life;
        drop(inner);
        Ok(Arc::new(SimFile { disk: self.clone(), id, life, len }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.inner();
        let id = *inner.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let (life, len) = (inner.life, inner.files[&id].live.len() as u64);
        drop(inner);
        Ok(Arc::new(SimFile { disk: self.clone(), id, life, len }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Bytes>> {
        let inner = self.inner();
        Ok(inner.names.get(name).map(|id| Bytes::copy_from_slice(&inner.files[id].live)))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let id = inner.add(name, bytes.to_vec())?;
        inner.durable_names.insert(name.to_owned(), id);
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let inner = self.inner();
        let inside = inner.names.keys().filter(|name| parent(name) == dir);
        Ok(inside.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let id = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner().names.remove(name);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.durable_names.retain(|name, _| parent(name) != dir);
        let now: Vec<_> =
            inner.names.iter().filter(|(n, _)| parent(n) == dir).map(|(n, id)| (n.clone(), *id)).collect();
        inner.durable_names.extend(now);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let inner = self.inner();
        Ok(inner.faults.capacity.map_or(u64::MAX, |c| c.saturating_sub(inner.used())))
    }
}
