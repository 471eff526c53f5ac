//! The seam under the log: files of a fixed length, synced writes, names.
//!
//! Names are relative to the store's directory, with `/` between parts.

mod real;
mod sim;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use real::RealDisk;
pub use sim::{SimDisk, SimDiskFaults};

/// An open file. Writes never grow it.
pub trait DiskFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Overwrites bytes within the file. Not durable until [`sync`](Self::sync).
    ///
    /// # Errors
    /// The device failed or is full; what the file holds there is unknown.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes all writes before the call durable (fdatasync).
    ///
    /// # Errors
    /// The device failed; it is unknown which writes are durable, and a second call would not tell.
    fn sync(&self) -> io::Result<()>;

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    /// The device failed, or the file is shorter.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;
}

/// Held while this process owns the store; dropping it lets another one in.
pub trait DiskLock: Send + Sync {}

/// A directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Takes the lock file, or `None` if another process has it.
    ///
    /// # Errors
    /// The file can't be made or locked.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>>;

    /// Makes directory `name`, durably, unless it is there.
    ///
    /// # Errors
    /// The file system failed.
    fn create_dir(&self, name: &str) -> io::Result<()>;

    /// Makes a file of `len` zeros, really written and synced so that overwriting it needs no new blocks. The
    /// name is durable only after [`sync_dir`](Self::sync_dir). A long file is made in pieces; after each, `rest` is told how long it
    /// took, and may wait.
    ///
    /// # Errors
    /// The disk is full or failed; a partial file may be left.
    fn create(&self, name: &str, len: u64, rest: &dyn Fn(Duration)) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// There is none, or the file system failed.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The whole of a small file, or `None` if there is none.
    ///
    /// # Errors
    /// The file system failed.
    fn read(&self, name: &str) -> io::Result<Option<Bytes>>;

    /// Bytes of a file, or `None` if there is none.
    ///
    /// # Errors
    /// The file system failed.
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        match self.open(name) {
            Ok(file) => Ok(Some(file.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a small file atomically and durably: temporary file, sync, rename, directory sync.
    ///
    /// # Errors
    /// The file system failed; the file is the old or the new one.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Names in a directory (without its own name), sorted; empty if there is no such directory.
    ///
    /// # Errors
    /// The file system failed.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Renames a file. Durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// The file system failed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file if it is there. Durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// The file system failed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The file system failed.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// The file system failed.
    fn free_bytes(&self) -> io::Result<u64>;
}
