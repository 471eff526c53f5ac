//! Figures of this process, read from `/proc/self` when scraped, under the names that Prometheus libraries use.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// Clock ticks per second in `/proc`; fixed at 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a memory page in `/proc/self/statm`.
const PAGE_BYTES: u64 = 4096;

#[derive(Debug)]
struct Process {
    started_s: f64,
}

pub(super) fn register(registry: &mut Registry) {
    let started_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    registry.register_collector(Box::new(Process { started_s }));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cpu = ConstCounter::new(cpu_seconds().unwrap_or(0.0));
        let descriptor = encoder.encode_descriptor(
            "process_cpu",
            "CPU time used, user and system",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?;
        cpu.encode(descriptor)?;
        let gauges = [
            ("process_resident_memory", "Memory held", Some(Unit::Bytes), resident_bytes().unwrap_or(0) as f64),
            ("process_open_fds", "Open file descriptors", None, open_files().unwrap_or(0) as f64),
            ("process_start_time", "When the process began, Unix time", Some(Unit::Seconds), self.started_s),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the program's name, may hold spaces; it ends at the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

fn open_files() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count())
}
