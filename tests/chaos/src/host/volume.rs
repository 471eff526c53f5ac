//! A filesystem of a node's own: ext4 in a file, so that its power can be cut without the machine's.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::shell::sh;
use super::sys;

/// Sparse: only what is written takes space. Room for the log's gigabyte, the state, and the reserve below which a node
/// takes nothing more.
const BYTES: u64 = 6 << 30;

/// How long what holds a filesystem may take to let it go.
const PATIENCE: Duration = Duration::from_secs(20);

/// A filesystem in a file.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    image: PathBuf,
    mounted: PathBuf,
}

impl Volume {
    /// The one called `name`, below a directory.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self { image: directory.join(format!("{name}.img")), mounted: directory.join(name) }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Makes it, empty, and mounts it.
    pub(crate) fn make(&self) -> Result<()> {
        std::fs::create_dir_all(&self.mounted)?;
        // Anew, so that what the old one held takes no space any more.
        let _ = std::fs::remove_file(&self.image);
        std::fs::File::create(&self.image)?.set_len(BYTES)?;
        sh(&format!("mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,lazy_journal_init=1 {}", self.image.display()))?;
        self.mount()
    }

    /// Mounts it through a loop device that goes when it is unmounted. What is removed from it takes no space any more.
    pub(crate) fn mount(&self) -> Result<()> {
        sh(&format!("mount -o loop,discard {} {}", self.image.display(), self.mounted.display())).map(drop)
    }

    /// Unmounts it. What runs on it must be gone.
    pub(crate) fn unmount(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match sh(&format!("umount {}", self.mounted.display())) {
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Nothing more reaches the disk from now on; what was not synced is gone, which [`boot`](Self::boot) sees to.
    pub(crate) fn cut_power(&self) -> Result<()> {
        let unsynced = self.unsynced();
        std::fs::write(&unsynced, "not synced")?;
        sys::cut_power(&self.mounted)?;
        ensure!(std::fs::write(&unsynced, "too late").is_err(), "{} is written without power", self.mounted.display());
        Ok(())
    }

    fn unsynced(&self) -> PathBuf {
        self.mounted.join("unsynced")
    }

    /// After a power cut, and once nothing runs on it: what a machine does when it boots.
    ///
    /// # Errors
    /// It cannot be repaired, or what was not synced is still there: then no power was cut.
    pub(crate) fn boot(&self) -> Result<()> {
        self.unmount()?;
        // 1: errors were corrected, as they should be.
        let script = format!("e2fsck -p {} || test $? -le 1", self.image.display());
        let mut check = Command::new("sh");
        let status = check.args(["-c", &script]).stdout(Stdio::null()).process_group(0).status()?;
        ensure!(status.success(), "e2fsck could not repair {}", self.image.display());
        self.mount()?;
        let left = std::fs::read(self.unsynced()).unwrap_or_default();
        ensure!(left.is_empty(), "{} kept what was not synced", self.mounted.display());
        // The name alone may have been committed with another's sync.
        match std::fs::remove_file(self.unsynced()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// `major:minor` of the device below it.
    pub(crate) fn device(&self) -> Result<String> {
        let said = sh(&format!("findmnt -n -o MAJ:MIN {}", self.mounted.display()))?;
        Ok(said.trim().to_owned())
    }

    /// Bytes that can still be written.
    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.mounted).context("asking for free space")?;
        Ok(stat.f_bavail * stat.f_frsize)
    }
}
