//! Control groups, version 1: one of each kind for a node.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::PREFIX;

/// The kinds that are used.
pub(crate) const KINDS: [&str; 4] = ["blkio", "cpu", "freezer", "memory"];

/// In which the kernel counts how long a group may run, in microseconds: its own default.
const PERIOD_US: u64 = 100_000;

/// Where all of a kind's groups of ours are.
pub(crate) fn root(kind: &str) -> PathBuf {
    PathBuf::from(format!("/sys/fs/cgroup/{kind}/{PREFIX}"))
}

/// A node's groups.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    name: String,
}

impl Cgroup {
    /// Makes them.
    pub(crate) fn make(name: &str) -> Result<Self> {
        for kind in KINDS {
            let path = root(kind).join(name);
            fs::create_dir_all(&path).with_context(|| format!("making {}: is {kind} mounted?", path.display()))?;
        }
        Ok(Self { name: name.to_owned() })
    }

    /// The files that take the ids of processes.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        KINDS.iter().map(|kind| root(kind).join(&self.name).join("cgroup.procs")).collect()
    }

    /// Lets a device take so many writes a second; 0 for as many as it can.
    pub(crate) fn limit_writes(&self, device: &str, per_second: u64) -> Result<()> {
        let wanted = format!("{device} {per_second}");
        self.write("blkio", "blkio.throttle.write_iops_device", &wanted)?;
        let limits = self.read("blkio", "blkio.throttle.write_iops_device")?;
        ensure!(per_second == 0 || limits.contains(&wanted), "the limit is not there: {limits:?}");
        Ok(())
    }

    /// Bytes of memory in use, page cache included.
    pub(crate) fn memory_used(&self) -> Result<u64> {
        Ok(self.read("memory", "memory.usage_in_bytes")?.trim().parse()?)
    }

    /// Bounds memory in bytes; `None` lifts the bound. The kernel refuses a bound that reclaiming does not reach.
    pub(crate) fn limit_memory(&self, bytes: Option<u64>) -> Result<()> {
        let limit = bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string());
        self.write("memory", "memory.limit_in_bytes", &limit)
    }

    /// How often there was no more memory below the bound, and some had to be reclaimed.
    pub(crate) fn memory_refused(&self) -> Result<u64> {
        Ok(self.read("memory", "memory.failcnt")?.trim().parse()?)
    }

    /// Lets the group run for so many percent of one core; `None` for as long as it can.
    pub(crate) fn limit_cpu(&self, percent: Option<u64>) -> Result<()> {
        self.write("cpu", "cpu.cfs_period_us", &PERIOD_US.to_string())?;
        let quota = percent.map_or_else(|| "-1".to_owned(), |percent| (PERIOD_US * percent / 100).to_string());
        self.write("cpu", "cpu.cfs_quota_us", &quota)
    }

    /// In how many periods the group had to wait for the next one.
    pub(crate) fn cpu_throttled(&self) -> Result<u64> {
        let stat = self.read("cpu", "cpu.stat")?;
        let count = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        Ok(count.with_context(|| format!("no count in {stat:?}"))?.trim().parse()?)
    }

    /// Has all of the group's processes stand still, soon.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.write("freezer", "freezer.state", "FROZEN")
    }

    /// Whether this process is in the group, and all of the group stands still: an empty one does, too.
    pub(crate) fn is_frozen(&self, pid: u32) -> Result<bool> {
        let pids = self.read("freezer", "cgroup.procs")?;
        let is_in = pids.lines().any(|line| line.parse() == Ok(pid));
        Ok(is_in && self.read("freezer", "freezer.state")?.trim() == "FROZEN")
    }

    /// Has them go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.write("freezer", "freezer.state", "THAWED")
    }

    fn write(&self, kind: &str, file: &str, text: &str) -> Result<()> {
        let path = root(kind).join(&self.name).join(file);
        fs::write(&path, text).with_context(|| format!("writing {text:?} to {}", path.display()))
    }

    fn read(&self, kind: &str, file: &str) -> Result<String> {
        let path = root(kind).join(&self.name).join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}
