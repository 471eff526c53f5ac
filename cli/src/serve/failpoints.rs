//! What a node does in a build with fail points: it listens to the test, and its store is so small that the points are soon passed.

use std::sync::Arc;

use hansard_node::{NodeConfig, Seams};
use hansard_storage::{Options, RocksOptions, Store};

/// Entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 100;
/// Bytes of a log segment; the test's entries are far shorter than a quarter of it.
const SEGMENT: u64 = 512 << 10;
/// Set where the disk is to look full.
const FULL: &str = "FAILPOINTS_FULL_DISK";

/// Changes what a node is started with.
pub(super) fn prepare(config: NodeConfig, seams: Seams) -> (NodeConfig, Seams) {
    hansard_failpoint::listen();
    let open = |options: Options| Store::open_real(small(options), RocksOptions::default());
    (NodeConfig { snapshot_entries: SNAPSHOT_ENTRIES, ..config }, Seams { open: Some(Arc::new(open)), ..seams })
}

fn small(options: Options) -> Options {
    Options {
        segment_bytes: SEGMENT,
        log_target_bytes: 3 * SEGMENT,
        spare_segments: 1,
        ballast_bytes: SEGMENT,
        stop_accepting_below: 0,
        free_ballast_below: if std::env::var_os(FULL).is_some() { u64::MAX } else { 0 },
        ..options
    }
}
