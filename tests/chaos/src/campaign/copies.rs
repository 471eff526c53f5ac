//! Copies of a stopped node's data, on which damage is tried out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::damage::copy;
use crate::slot::Slot;

/// Copies of one node's data.
pub(super) struct Copies {
    /// As it was when the node was stopped.
    pub(super) whole: PathBuf,
    /// That is damaged and opened.
    pub(super) work: PathBuf,
    /// As it was some time before.
    pub(super) older: PathBuf,
}

/// Files, by their paths below a directory, with their lengths and times.
type Stamps = BTreeMap<PathBuf, (u64, SystemTime)>;

impl Copies {
    /// Those of a node; there may be older ones already.
    pub(super) fn of(root: &Path, slot: &Slot) -> Self {
        let [whole, work, older] = ["whole", "work", "older"].map(|name| root.join(format!("{}.{name}", slot.name)));
        Self { whole, work, older }
    }

    /// The same, with a copy to work on of a worker's own.
    pub(super) fn of_worker(&self, worker: usize) -> Self {
        let work = self.work.with_extension(format!("work{worker}"));
        Self { whole: self.whole.clone(), work, older: self.older.clone() }
    }

    /// Makes the pristine copy, and one to work on.
    pub(super) fn take(&self, data: &Path) -> Result<()> {
        remake(data, &self.whole)?;
        self.renew()
    }

    /// Makes the copy to work on anew.
    pub(super) fn renew(&self) -> Result<()> {
        remake(&self.whole, &self.work)
    }

    /// Keeps what the data of a running node is now, file by file.
    pub(super) fn keep_older(&self, data: &Path) -> Result<()> {
        remake(data, &self.older)
    }

    /// From now on, the pristine copy is the older one.
    pub(super) fn grow_older(&self) -> Result<()> {
        remove(&self.older)?;
        remove(&self.work)?;
        Ok(fs::rename(&self.whole, &self.older)?)
    }

    /// The older copy of a file, if there is one that differs.
    pub(super) fn older(&self, file: &Path) -> Option<PathBuf> {
        let older = self.older.join(file);
        let differs = fs::read(&older).ok()? != fs::read(self.whole.join(file)).ok()?;
        differs.then_some(older)
    }

    /// Puts a file back as it was.
    pub(super) fn mend(&self, file: &Path) -> Result<()> {
        copy(&self.whole.join(file), &self.work.join(file))
    }

    /// What is there, but for what only people read.
    pub(super) fn stamps(&self) -> Result<Stamps> {
        let mut stamps = Stamps::new();
        for file in files(&self.work)? {
            let metadata = fs::metadata(self.work.join(&file))?;
            stamps.insert(file, (metadata.len(), metadata.modified()?));
        }
        Ok(stamps)
    }
}

/// Removes a directory, if there is one.
pub(super) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn remake(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    for folder in ["log", "state"] {
        fs::create_dir_all(to.join(folder))?;
    }
    for file in files(from)? {
        match copy(&from.join(&file), &to.join(&file)) {
            // A running node removes files.
            Err(_) if !from.join(&file).exists() => fs::remove_file(to.join(&file)).unwrap_or_default(),
            copied => copied.with_context(|| format!("copying {}", file.display()))?,
        }
    }
    Ok(())
}

/// All files of a node's data, by their paths below it; not locks, the ballast, and what is only there for people.
fn files(data: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for folder in ["", "log", "state"] {
        for entry in fs::read_dir(data.join(folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let matters = !text.starts_with("LO") && !text.ends_with(".spare") && text != "BALLAST";
            // A running node removes files.
            if matters && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files.push(Path::new(folder).join(name));
            }
        }
    }
    Ok(files)
}
