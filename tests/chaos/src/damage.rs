//! Damage to files of a node that does not run.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::Rng;
use rand::rngs::StdRng;

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manner {
    /// One bit is another.
    Flip,
    /// A block is zeros.
    Zero,
    /// It is shorter.
    Truncate,
    /// It is gone.
    Delete,
    /// It is as it was some time ago.
    Stale,
}

/// All manners.
pub(crate) const MANNERS: [Manner; 5] = [Manner::Flip, Manner::Zero, Manner::Truncate, Manner::Delete, Manner::Stale];

/// What is damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// What people call it.
    pub(crate) name: &'static str,
    folder: &'static str,
    fits: fn(&str) -> bool,
    /// Bytes at the start that are meant.
    within: u64,
    /// Whether a node cannot do without it.
    pub(crate) vital: bool,
}

const fn target(name: &'static str, folder: &'static str, fits: fn(&str) -> bool) -> Target {
    Target { name, folder, fits, within: u64::MAX, vital: true }
}

/// All that a node has, but for what only people read.
pub(crate) const TARGETS: [Target; 9] = [
    target("IDENTITY", "", |name| name == "IDENTITY"),
    target("log segment", "log", |name| name.ends_with(".seg")),
    Target { within: 8_192, ..target("tail mark", "log", |name| name.ends_with(".seg")) },
    Target { vital: false, ..target("witness", "log", |name| name == "witness") },
    target("SST", "state", |name| name.ends_with(".sst")),
    target("blob file", "state", |name| name.ends_with(".blob")),
    target("MANIFEST", "state", |name| name.starts_with("MANIFEST")),
    target("CURRENT", "state", |name| name == "CURRENT"),
    Target { vital: false, ..target("OPTIONS", "state", |name| name.starts_with("OPTIONS")) },
];

impl Target {
    /// Files of a node that are such, by their paths below its data.
    pub(crate) fn files(&self, data: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![];
        for entry in fs::read_dir(data.join(self.folder))? {
            let name = entry?.file_name();
            if (self.fits)(&name.to_string_lossy()) {
                files.push(Path::new(self.folder).join(name));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Where the last byte is that is not zero: segments are larger than what is written in them.
fn written(path: &Path) -> Result<u64> {
    let mut file = File::open(path)?;
    let (mut at, mut last, mut block) = (0, 0, vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut block)?;
        if length == 0 {
            return Ok(last);
        }
        if let Some(place) = block[..length].iter().rposition(|byte| *byte != 0) {
            last = at + place as u64 + 1;
        }
        at += length as u64;
    }
}

/// Damages a file; where. `None` if it is empty. `older` is what it held some time ago.
pub(crate) fn damage(
    path: &Path,
    target: &Target,
    manner: Manner,
    older: Option<&Path>,
    dice: &mut StdRng,
) -> Result<Option<String>> {
    let written = written(path)?.min(target.within);
    if written == 0 {
        return Ok(None);
    }
    let file = File::options().read(true).write(true).open(path)?;
    let at = somewhere(&file, written, dice)?;
    Ok(Some(match manner {
        Manner::Flip => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            let bit = dice.random_range(0..8);
            file.write_all_at(&[byte[0] ^ 1 << bit], at)?;
            format!("bit {bit} of byte {at} flipped")
        }
        Manner::Zero => {
            let length = (written - at).min(4_096);
            file.write_all_at(&vec![0; usize::try_from(length)?], at)?;
            format!("{length} bytes from {at} on zeroed")
        }
        Manner::Truncate => {
            file.set_len(at)?;
            format!("cut at {at}")
        }
        Manner::Delete => {
            fs::remove_file(path)?;
            "deleted".to_owned()
        }
        Manner::Stale => {
            copy(older.context("there is no older copy")?, path)?;
            "as it was before".to_owned()
        }
    }))
}

/// A place where something is written: between batches a segment has nothing that matters.
fn somewhere(file: &File, written: u64, dice: &mut StdRng) -> Result<u64> {
    loop {
        let at = dice.random_range(0..written);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        if byte != [0] {
            return Ok(at);
        }
    }
}

/// Copies a file; what is zeros takes no space.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut block = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        match block[..read].iter().all(|byte| *byte == 0) {
            true => drop(to.seek(SeekFrom::Current(i64::try_from(read)?))?),
            false => to.write_all(&block[..read])?,
        }
    }
}

/// Puts a file back that was damaged. Durable when it returns: a power cut that follows must not undo the mend.
pub(crate) fn mend(whole: &Path, damaged: &Path) -> Result<()> {
    copy(whole, damaged)?;
    File::open(damaged)?.sync_all()?;
    Ok(File::open(damaged.parent().context("a file is in a directory")?)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn each_manner_changes_a_file() {
        let directory = std::env::temp_dir().join(format!("hansard-damage-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, older) = (directory.join("file"), directory.join("older"));
        fs::write(&older, "older").unwrap();
        let whole = [vec![7; 9_000], vec![0; 9_000]].concat();
        let mut dice = StdRng::seed_from_u64(1);
        for manner in MANNERS {
            fs::write(&path, &whole).unwrap();
            assert_eq!(written(&path).unwrap(), 9_000);
            let said = damage(&path, &TARGETS[0], manner, Some(&older), &mut dice).unwrap();
            assert!(said.is_some());
            assert_ne!(fs::read(&path).unwrap_or_default(), whole, "{manner:?}");
        }
        fs::write(&path, &whole).unwrap();
        mend(&path, &older).unwrap();
        assert_eq!(fs::read(&older).unwrap(), whole);
        fs::remove_dir_all(directory).unwrap();
    }
}
