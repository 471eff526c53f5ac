//! Reading histories line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::format::{Kind, Title, VERSION};

/// A history.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) path: PathBuf,
    pub(crate) title: Title,
}

/// All histories of a run: `paths`, and the files ending in `.history` in those that are directories.
pub(crate) fn open(paths: &[PathBuf]) -> Result<Vec<History>> {
    let mut files = vec![];
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        for entry in std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "history") {
                files.push(file);
            }
        }
    }
    files.sort();
    files.into_iter().map(title).collect()
}

fn title(path: PathBuf) -> Result<History> {
    let mut line = String::new();
    reader(&path)?.read_line(&mut line)?;
    let title: Title = serde_json::from_str(&line).with_context(|| format!("{} is no history", path.display()))?;
    let version = title.hansard_history;
    ensure!(version == VERSION, "{} is of version {version}, this program reads {VERSION}", path.display());
    Ok(History { path, title })
}

fn reader(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// Those of one kind.
pub(crate) fn of_kind(histories: &[History], kind: Kind) -> impl Iterator<Item = &History> {
    histories.iter().filter(move |history| history.title.kind == kind)
}

impl History {
    /// Calls `each` with every line after the title.
    pub(crate) fn lines(&self, mut each: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut reader = reader(&self.path)?;
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let at = || format!("{}, line {number}", self.path.display());
            let Some(whole) = line.strip_suffix('\n') else { bail!("{}: the line is cut short", at()) };
            if number > 1 {
                each(whole).with_context(at)?;
            }
        }
        Ok(())
    }
}

/// A line as what it should be.
pub(crate) fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T> {
    serde_json::from_str(line).context("not a line of this kind of history")
}
