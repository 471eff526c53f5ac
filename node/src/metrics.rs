//! What a node shows of itself. Shards are the finest label: never a room or a person.

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
};

use hansard_domain::ShardId;
use hansard_runtime::Metrics;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::ConstCounter, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};

use crate::{raft::service::Stores, shard::Replica, state::Node};

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

/// Counters that the handlers increment.
#[derive(Clone, Default)]
pub(crate) struct NodeMetrics {
    proposals: Counter,
    refusals: Family<Reason, Counter>,
    calls: Counter,
    terms: Counter,
}

impl NodeMetrics {
    /// Registers the counters.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let made = Self::default();
        metrics.register(|registry| {
            registry.register("node_proposals", "Commands of people that were committed", made.proposals.clone());
            registry.register("node_refusals", "Calls of routers that were refused, by reason", made.refusals.clone());
            registry.register("node_calls", "Calls of routers", made.calls.clone());
            registry.register("node_terms", "Raft terms begun, of all shards here", made.terms.clone());
        });
        made
    }

    /// A router's call.
    pub(crate) fn called(&self) {
        self.calls.inc();
    }

    /// So many terms of a shard have begun.
    pub(crate) fn terms_begun(&self, terms: u64) {
        self.terms.inc_by(terms);
    }

    /// A command was committed.
    pub(crate) fn committed(&self) {
        self.proposals.inc();
    }

    /// A call was refused. The reasons are ours, so the label is bounded.
    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.get_or_create(&Reason { reason: reason.to_owned() }).inc();
    }
}

/// Registers what is read when somebody looks.
pub(crate) fn register_state(metrics: &Metrics, node: &Arc<Node>) {
    let state = NodeState(Arc::downgrade(node));
    metrics.register(|registry: &mut Registry| registry.register_collector(Box::new(state)));
}

struct NodeState(Weak<Node>);

impl fmt::Debug for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeState")
    }
}

impl Collector for NodeState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(node) = self.0.upgrade() else { return Ok(()) };
        let store = node.store.stats().view();
        let fanout = node.fanout.gauges();
        let transfers = node.host.transfers();
        for (name, help, value) in [
            ("node_fsyncs", "Syncs of the log, for all shards", store.fsyncs),
            ("node_log_written_bytes", "Bytes written to the log", store.log_bytes_written),
            ("node_log_batches", "Synced batches", store.batches),
            ("node_log_records", "Records in those batches", store.records),
            ("node_state_written_bytes", "Bytes written to the state engine", store.state_bytes_written),
            ("node_state_flushes", "Flushes of the state", store.flushes),
            ("node_snapshot_sent_bytes", "Bytes of snapshots sent to other nodes", transfers.sent_bytes()),
            ("node_snapshot_taken_bytes", "Bytes of snapshots taken in from other nodes", transfers.taken_bytes()),
            ("node_history_sent_bytes", "Bytes of old entries sent to nodes that catch up", transfers.history_bytes()),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in [
            ("node_links", "Routers that are linked", node.links.count() as i64),
            ("node_subscriptions", "Rooms that routers are fed", fanout.subscriptions.load(Ordering::Relaxed)),
            ("node_subscriptions_lagging", "Of these, fed from storage", fanout.lagging.load(Ordering::Relaxed)),
            ("node_leaders", "Shards that this node leads", leaders(&node) as i64),
            ("node_log_bytes", "Bytes of the log on disk, of all shards", store.log_bytes as i64),
            ("node_log_queue_depth", "Operations that wait for the log", store.queue_depth as i64),
            ("node_disk_free_bytes", "Free bytes of the disk", store.free_bytes as i64),
            ("node_accepting", "Whether the disk has room for messages", i64::from(node.store.accepting())),
            ("node_known_leaders", "Shards whose leader this node knows", node.directory.leaders().len() as i64),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        // Beside the scraper's own time it tells how far the clock is off.
        let clock = ConstGauge::new(node.seams.clock.now_us() as f64 / 1e6);
        let help = "This node's wall clock, Unix time";
        let descriptor = encoder.encode_descriptor("node_clock_seconds", help, None, clock.metric_type())?;
        clock.encode(descriptor)?;
        shards(&node, encoder)
    }
}

fn leaders(node: &Arc<Node>) -> usize {
    node.host.shards().into_iter().filter_map(|shard| node.host.replica(shard)).filter(Replica::is_leader).count()
}

/// A figure of a replica; none where it says nothing.
type Reading = fn(&Replica) -> Option<i64>;

/// One line per hosted shard and figure.
fn shards(node: &Arc<Node>, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let readings: [(&str, &str, Reading); 7] = [
        ("node_shard_term", "The shard's Raft term", |replica| Some(replica.leadership().borrow().term as i64)),
        ("node_shard_leads", "Whether this node leads the shard", |replica| Some(i64::from(replica.is_leader()))),
        ("node_shard_applied_index", "The newest entry applied", |replica| Some(replica.status().applied_index as i64)),
        ("node_shard_record_entries", "Entries of the shard's record", |replica| {
            Some(replica.status().record.size as i64)
        }),
        ("node_shard_apply_lag_entries", "Entries committed and not applied", |replica| {
            Some(replica.lag().apply as i64)
        }),
        ("node_shard_snapshot_lag_entries", "Entries applied since the last snapshot", |replica| {
            Some(replica.lag().snapshot as i64)
        }),
        (
            "node_shard_replication_lag_entries",
            "Entries that the slowest follower lacks; told by the leader",
            |replica| replica.lag().replication.map(|entries| entries as i64),
        ),
    ];
    let mut hosted: Vec<ShardId> = node.host.shards();
    hosted.sort_unstable();
    for (name, help, read) in readings {
        let gauge = ConstGauge::new(0i64);
        let mut descriptor = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
        for shard in &hosted {
            let Some(value) = node.host.replica(*shard).and_then(|replica| read(&replica)) else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(descriptor.encode_family(&[("shard", shard.to_string())])?)?;
        }
    }
    Ok(())
}
