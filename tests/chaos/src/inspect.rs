//! What the data of a node holds, once the product's own code has opened it: all of it is read.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hansard_domain::{Rows, Table};
use hansard_storage::{FreshIdentity, Options, RocksOptions, ShardStore, Store};

/// Exit codes, beside those of Rust and the shell.
const REFUSED: u8 = 40;
/// How long opening and reading may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of entries that are read at a time.
const PIECE: usize = 4 << 20;

/// What a shard holds, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Vote, ends and all entries of the log.
    pub(crate) log: String,
    /// The index of the entry that was applied last; 0 for none.
    pub(crate) applied: u64,
    /// All rows, and the applied mark.
    pub(crate) rows: String,
}

/// What came of opening and reading it all.
#[derive(Debug)]
pub(crate) enum Found {
    /// Shards by their ids.
    Whole(BTreeMap<String, Shard>),
    /// It was not opened.
    Refused(String),
    /// It was opened, and the process ended when it read something.
    Ended(String),
}

/// Opens and prints; the process may end half-way, as the node would.
pub(crate) fn inspect(data: &Path) -> Result<ExitCode> {
    let fresh = FreshIdentity { store: [0; 16], node: 1 };
    // What is only there for a full disk would be made anew each time.
    let options = Options { ballast_bytes: 0, ..Options::new(data, fresh) };
    let store = match Store::open_real(options, RocksOptions::default()) {
        Ok(store) => store,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(REFUSED));
        }
    };
    for id in store.shards() {
        let shard = store.shard(id)?;
        let applied = shard.rows().applied().map_or(0, |mark| mark.index);
        println!("{id} {applied} {} {:016x}", log(&shard)?, rows(&shard)?);
    }
    println!("whole");
    // Closing it would make the next segment ready first.
    std::mem::forget(store);
    Ok(ExitCode::SUCCESS)
}

fn log(shard: &ShardStore) -> Result<String> {
    let (log, mut hash) = (shard.log(), DefaultHasher::new());
    let bounds = log.bounds();
    let end = bounds.last.map_or(0, |(_, index)| index + 1);
    let mut from = bounds.purged.map_or(0, |(_, index)| index + 1);
    while from < end {
        let entries = log.read(from, end, PIECE)?;
        let last = entries.last().with_context(|| format!("entry {from} is missing"))?;
        from = last.index + 1;
        for entry in &entries {
            hash.write_u64(entry.term);
            hash.write_u64(entry.index);
            hash.write(&entry.payload);
        }
    }
    let said = format!("{:?};{:?};{:?};{:016x}", log.vote(), bounds.purged, bounds.last, hash.finish());
    Ok(said.replace(' ', ""))
}

fn rows(shard: &ShardStore) -> Result<u64> {
    let mut hash = DefaultHasher::new();
    for &table in Table::ALL {
        hash.write_u8(table as u8);
        shard.rows().scan(table, &[], &[0xff; 64], false, &mut |key, value| {
            hash.write_usize(key.len());
            hash.write(key);
            hash.write_usize(value.len());
            hash.write(value);
            true
        })?;
    }
    hash.write(&shard.rows().applied().map(|mark| mark.encode()).unwrap_or_default());
    Ok(hash.finish())
}

/// Does it in a process of its own.
///
/// # Errors
/// It hangs, or ends in a way that no node may.
pub(crate) fn look(data: &Path) -> Result<Found> {
    let output = run(Command::new(std::env::current_exe()?).arg("inspect").arg("--data").arg(data))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => parse(&String::from_utf8_lossy(&output.stdout)).map(Found::Whole),
        Some(code) if code == i32::from(REFUSED) => Ok(Found::Refused(said)),
        _ if said.contains("storage failed, the process ends") => Ok(Found::Ended(said)),
        // What the reader itself was told.
        Some(1) if said.contains("Error:") => Ok(Found::Ended(said)),
        _ => bail!("it ended with {}: {said}", output.status),
    }
}

fn run(command: &mut Command) -> Result<Output> {
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            bail!("it does not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child.wait_with_output()?)
}

fn parse(text: &str) -> Result<BTreeMap<String, Shard>> {
    let (lines, end) = text.trim_end().rsplit_once('\n').context("it said nothing")?;
    ensure!(end == "whole", "it broke off after {end:?}");
    let shard = |line: &str| {
        let [id, applied, log, rows] = line.split(' ').collect::<Vec<_>>()[..] else { bail!("unreadable: {line:?}") };
        Ok((id.to_owned(), Shard { log: log.to_owned(), applied: applied.parse()?, rows: rows.to_owned() }))
    };
    lines.lines().map(shard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansard_domain::ShardId;

    #[test]
    fn what_is_printed_can_be_read_and_what_breaks_off_cannot() {
        let id = ShardId::META;
        let text = format!("{id} 7 None;None;Some((1,2));00ff 0abc\n");
        let shards = parse(&format!("{text}whole\n")).unwrap();
        assert_eq!(shards[&id.to_string()].applied, 7);
        assert!(parse(&text).is_err());
    }
}
