//! Which kind of file system a directory is on.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// File systems that live in memory, where a sync costs nothing and a figure means nothing.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// Refuses a directory that is not on a disk.
pub(crate) fn require_disk(directory: &Path) -> Result<()> {
    let directory = directory.canonicalize().with_context(|| format!("can't resolve {}", directory.display()))?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("can't read /proc/self/mounts")?;
    match kind(&mounts, &directory) {
        Some(kind) if IN_MEMORY.contains(&kind) => bail!(
            "{} is on {kind}, which is memory: its figures would mean nothing. Give a directory on a disk with --data",
            directory.display()
        ),
        _ => Ok(()),
    }
}

/// The type of the file system that holds a directory: that of the longest mount point above it, the newest of equals.
fn kind<'a>(mounts: &'a str, directory: &Path) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        let point = point.replace("\\040", " ").replace("\\134", "\\");
        if directory.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n/dev/vdb /my\\040disk xfs rw 0 0\n\
                          tmpfs /tmp tmpfs rw 0 0\n/dev/vdc /tmp/real ext4 rw 0 0\n";

    #[test]
    fn finds_the_file_system_of_a_directory() {
        let of = |path: &str| kind(MOUNTS, Path::new(path)).unwrap();
        assert_eq!(of("/home/x"), "ext4");
        assert_eq!(of("/dev/shm/x"), "tmpfs");
        assert_eq!(of("/tmp/x"), "tmpfs");
        assert_eq!(of("/tmp/real/x"), "ext4");
        assert_eq!(of("/my disk/x"), "xfs");
        assert_eq!(of("/tmpx"), "ext4");
    }

    #[test]
    fn refuses_memory() {
        if Path::new("/dev/shm").is_dir()
            && kind(&std::fs::read_to_string("/proc/self/mounts").unwrap(), Path::new("/dev/shm")) == Some("tmpfs")
        {
            assert!(require_disk(Path::new("/dev/shm")).unwrap_err().to_string().contains("tmpfs"));
        }
    }
}
