//! The processes of the cluster: alive, and how large.

use crate::harness::{Cluster, TlsRouter};

/// See the module.
pub(crate) struct Watch(Vec<Process>);

struct Process {
    name: String,
    pid: u32,
    /// Resident bytes at the beginning, and when they were last asked for.
    before: u64,
    last: u64,
}

impl Watch {
    /// Starts to watch all nodes and routers.
    pub(crate) fn new(cluster: &Cluster, tls: &TlsRouter) -> Watch {
        let nodes = cluster.ready.nodes.iter().map(|node| (format!("the node in {}", node.site), node.pid));
        let routers = cluster.ready.routers.iter().map(|router| (format!("the router in {}", router.site), router.pid));
        let tls = [("the router with TLS".to_owned(), tls.extra.router.pid)];
        let all = nodes.chain(routers).chain(tls).map(|(name, pid)| {
            let now = resident(pid).expect("it runs");
            Process { name, pid, before: now, last: now }
        });
        Watch(all.collect())
    }

    /// None of them may have ended.
    pub(crate) fn alive(&self, pattern: &str) {
        for Process { name, pid, .. } in &self.0 {
            assert!(resident(*pid).is_some(), "{pattern} brought down {name}");
        }
    }

    /// Which has grown most since this was last asked, and by how many bytes; below zero if all have shrunk.
    pub(crate) fn grew_most(&mut self) -> (&str, i64) {
        let grown = self.0.iter_mut().map(|process| {
            let now = resident(process.pid).expect("it runs");
            let grown = now as i64 - process.last as i64;
            process.last = now;
            (&process.name[..], grown)
        });
        grown.max_by_key(|(_, grown)| *grown).expect("some are watched")
    }

    /// By how many bytes each has grown since the beginning.
    pub(crate) fn growth(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|process| {
            let now = resident(process.pid).expect("it runs");
            (&process.name[..], now.saturating_sub(process.before))
        })
    }
}

/// Resident bytes; none if the process has ended.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}
