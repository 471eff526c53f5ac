//! Writing histories.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::format::{Kind, Title, VERSION};

/// A history that is being written: `kind-name.history` in a directory.
#[derive(Debug)]
pub struct Writer {
    out: BufWriter<File>,
}

impl Writer {
    /// Begins a history, in the place of an older one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(directory: &Path, kind: Kind, name: &str) -> Result<Self> {
        let title = Title { hansard_history: VERSION, kind, name: name.to_owned() };
        let folder = serde_json::to_value(kind)?;
        let path = directory.join(format!("{}-{name}.history", folder.as_str().unwrap_or_default()));
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let mut writer = Self { out: BufWriter::with_capacity(256 << 10, file) };
        writer.line(&title)?;
        Ok(writer)
    }

    /// Adds a line, one of those in [`crate::format`] that belong to the history's kind.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn line(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Ends the history: all of it is with the operating system.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
