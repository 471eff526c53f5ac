//! The processes of the cluster: alive, and how large.

use crate::harness::Cluster;

/// Sizes at the beginning.
pub(crate) struct Watch(Vec<(String, u32, u64)>);

impl Watch {
    /// Starts to watch all nodes and routers.
    pub(crate) fn new(cluster: &Cluster) -> Watch {
        let nodes = cluster.ready.nodes.iter().map(|node| (format!("the node in {}", node.site), node.pid));
        let routers = cluster.ready.routers.iter().map(|router| (format!("the router in {}", router.site), router.pid));
        Watch(nodes.chain(routers).map(|(name, pid)| (name, pid, resident(pid).expect("it runs"))).collect())
    }

    /// None of them may have ended.
    pub(crate) fn alive(&self, pattern: &str) {
        for (name, pid, _) in &self.0 {
            assert!(resident(*pid).is_some(), "{pattern} brought down {name}");
        }
    }

    /// By how many bytes each has grown.
    pub(crate) fn growth(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, pid, before)| (&name[..], resident(*pid).expect("it runs").saturating_sub(*before)))
    }
}

/// Resident bytes; none if the process has ended.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}
