//! What processes cost, from `/proc`.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
};

/// A clock tick in `/proc/PID/stat`, microseconds; `USER_HZ` is 100 wherever Linux runs.
const TICK_US: u64 = 10_000;

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU of all its threads, also of those that ended, microseconds.
    pub(crate) cpu_us: u64,
    /// Memory now, bytes.
    pub(crate) rss_bytes: u64,
    /// Bytes that it made the kernel write to disks.
    pub(crate) written_bytes: u64,
}

/// What a process has used; `None` when it is gone.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let stat = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    Some(Usage {
        cpu_us: stat.ticks * TICK_US,
        rss_bytes: value(&status, "VmRSS:").unwrap_or(0) * 1_024,
        written_bytes: value(&io, "write_bytes:").unwrap_or(0),
    })
}

/// A process's short name.
pub(crate) fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// These processes and all that descend from them.
pub(crate) fn with_descendants(roots: &[u32]) -> BTreeSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(stat) = parse_stat(&stat) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<u32> = roots.iter().copied().filter(|pid| *pid != 0).collect();
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

/// The most files that this process may have open; `None` when there is no limit.
pub(crate) fn open_files_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

struct Stat {
    parent: u32,
    ticks: u64,
}

/// The name in parentheses may hold anything, so fields are counted from its end.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_with_any_name() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 100 0 0 0 31 12 0 0 20 0 9 0 12345 1000 200 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 43));
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn measures_itself() {
        let pid = std::process::id();
        let usage = usage(pid).unwrap();
        assert!(usage.rss_bytes > 100_000, "{usage:?}");
        assert!(with_descendants(&[pid]).contains(&pid));
        assert!(!with_descendants(&[0]).contains(&0));
        assert!(super::usage(u32::MAX - 1).is_none());
        assert!(!name(pid).is_empty());
    }
}
