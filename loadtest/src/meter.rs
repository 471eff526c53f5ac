//! What a span of time cost the servers and the client.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    process::{self, Usage},
    scrape,
};

/// The processes to measure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    /// Server processes by pid, with their names; their children are measured too.
    pub(crate) servers: BTreeMap<u32, String>,
    /// The nodes' metrics listeners.
    pub(crate) metrics: Vec<String>,
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    at: Instant,
    servers: BTreeMap<u32, (String, Usage)>,
    client_cpu_us: u64,
    fsyncs: Option<u64>,
}

/// What one process used in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ProcessCost {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) cpu_us: u64,
    /// Of one core.
    pub(crate) cpu_percent: f64,
    /// At the end.
    pub(crate) rss_bytes: u64,
    pub(crate) written_bytes: u64,
}

/// What a span of time cost.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    pub(crate) elapsed: Duration,
    /// `None` when the servers' processes are not known.
    pub(crate) servers: Option<ServerCosts>,
    pub(crate) client_cpu_us: u64,
    pub(crate) processes: Vec<ProcessCost>,
}

/// All servers together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerCosts {
    pub(crate) cpu_us: u64,
    pub(crate) written_bytes: u64,
    /// Memory at the end, and how much more than at the beginning.
    pub(crate) rss_bytes: u64,
    pub(crate) rss_growth: i64,
    pub(crate) fsyncs: Option<u64>,
}

impl Meter {
    /// Looks at everything now.
    pub(crate) async fn sample(&self) -> Sample {
        let fsyncs = scrape::sum(&self.metrics, scrape::FSYNCS).await;
        let roots: Vec<u32> = self.servers.keys().copied().collect();
        let mut servers = BTreeMap::new();
        for pid in process::with_descendants(&roots) {
            let name = self.servers.get(&pid).cloned().unwrap_or_else(|| process::name(pid));
            if let Some(usage) = process::usage(pid) {
                servers.insert(pid, (name, usage));
            }
        }
        let client_cpu_us = process::usage(std::process::id()).unwrap_or_default().cpu_us;
        Sample { at: Instant::now(), servers, client_cpu_us, fsyncs }
    }
}

impl Sample {
    /// What the time since an earlier sample cost. What a process used that ended in between is not known.
    pub(crate) fn since(&self, before: &Self) -> Costs {
        let elapsed = self.at.duration_since(before.at);
        let processes = self.servers.iter().map(|(pid, (name, now))| {
            let then = before.servers.get(pid).map(|(_, usage)| *usage).unwrap_or_default();
            let cpu_us = now.cpu_us.saturating_sub(then.cpu_us);
            ProcessCost {
                name: name.clone(),
                pid: *pid,
                cpu_us,
                cpu_percent: cpu_us as f64 / elapsed.as_micros().max(1) as f64 * 100.0,
                rss_bytes: now.rss_bytes,
                written_bytes: now.written_bytes.saturating_sub(then.written_bytes),
            }
        });
        let processes: Vec<_> = processes.collect();
        let rss_before: u64 = before.servers.values().map(|(_, usage)| usage.rss_bytes).sum();
        let rss_bytes: u64 = processes.iter().map(|process| process.rss_bytes).sum();
        let servers = ServerCosts {
            cpu_us: processes.iter().map(|process| process.cpu_us).sum(),
            written_bytes: processes.iter().map(|process| process.written_bytes).sum(),
            rss_bytes,
            rss_growth: rss_bytes as i64 - rss_before as i64,
            fsyncs: self.fsyncs.zip(before.fsyncs).map(|(now, then)| now.saturating_sub(then)),
        };
        Costs {
            elapsed,
            servers: (!processes.is_empty()).then_some(servers),
            client_cpu_us: self.client_cpu_us.saturating_sub(before.client_cpu_us),
            processes,
        }
    }
}

impl Costs {
    /// Whether the one thread that makes the load was busy nearly all the time, so that it was what was measured.
    pub(crate) fn client_bound(&self) -> bool {
        self.client_cpu_us as f64 > self.elapsed.as_micros() as f64 * 0.9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(after: Duration, cpu: u64, client: u64, fsyncs: Option<u64>) -> Sample {
        let usage = Usage { cpu_us: cpu, rss_bytes: 1_000 + cpu, written_bytes: cpu * 2 };
        let servers = BTreeMap::from([(1, ("node1".to_owned(), usage))]);
        Sample { at: Instant::now() + after, servers, client_cpu_us: client, fsyncs }
    }

    #[test]
    fn subtracts_what_was_before() {
        let before = sample(Duration::ZERO, 1_000, 500, Some(3));
        let mut after = sample(Duration::from_secs(1), 501_000, 950_500, Some(10));
        after.servers.insert(2, ("child".into(), Usage { cpu_us: 5, rss_bytes: 7, written_bytes: 9 }));
        let costs = after.since(&before);
        let servers = costs.servers.unwrap();
        assert_eq!((servers.cpu_us, servers.written_bytes, servers.fsyncs), (500_005, 1_000_009, Some(7)));
        assert_eq!(servers.rss_growth, 500_007);
        assert!((costs.processes[0].cpu_percent - 50.0).abs() < 1.0);
        assert!(costs.client_bound());
    }

    #[tokio::test]
    async fn knows_when_it_knows_nothing() {
        let meter = Meter::default();
        let (before, after) = (meter.sample().await, meter.sample().await);
        let costs = after.since(&before);
        assert!(costs.servers.is_none() && costs.processes.is_empty());
    }
}
