//! Counters of the store, plain atomics that a metrics registry reads.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters and gauges, updated as things happen.
        #[derive(Debug, Default)]
        pub struct Stats { $($(#[$doc])* pub $name: AtomicU64,)* }

        /// Their values at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct StatsView { $($(#[$doc])* pub $name: u64,)* }

        impl Stats {
            /// Reads every value; not a consistent cut.
            pub fn view(&self) -> StatsView {
                StatsView { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

stats! {
    /// Syncs of log files, marks included.
    fsyncs,
    /// Bytes written to log files, marks and padding included.
    log_bytes_written,
    /// Synced batches.
    batches,
    /// Records in those batches.
    records,
    /// Operations that wait for the writer now.
    queue_depth,
    /// Bytes that wait for the writer now.
    queue_bytes,
    /// Bytes of log segments on disk now.
    log_bytes,
    /// Bytes of recent entries in memory now.
    tail_cache_bytes,
    /// Entries read from disk because they were no longer in memory.
    log_disk_reads,
    /// Entries written again at the end because they pinned an old segment.
    relocated_entries,
    /// Bytes written to the state engine, before its own amplification.
    state_bytes_written,
    /// Flushes of the state.
    flushes,
    /// Free bytes of the disk at the last probe.
    free_bytes,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn set(gauge: &AtomicU64, n: u64) {
        gauge.store(n, Ordering::Relaxed);
    }
}
