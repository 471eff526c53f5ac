//! A disk that says "synced" and has not: a bug planted on purpose, which the simulation must find.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;

use hansard_storage::{Disk, DiskFile, SimDisk, disk::DiskLock};

/// Passes everything on but the syncs of files.
pub(crate) struct LyingDisk(pub(crate) SimDisk);

struct LyingFile(Arc<dyn DiskFile>);

impl DiskFile for LyingFile {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.0.read_at(offset, len)
    }
}

impl Disk for LyingDisk {
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.0.lock(name)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.0.create_dir(name)
    }

    fn create(&self, name: &str, len: u64, rest: &dyn Fn(Duration)) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LyingFile(self.0.create(name, len, rest)?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LyingFile(self.0.open(name)?)))
    }

    fn read(&self, name: &str) -> io::Result<Option<Bytes>> {
        self.0.read(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.replace(name, bytes)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}
