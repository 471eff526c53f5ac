//! What the router counts. No person, room or token is ever a label.

use std::time::Duration;

use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_runtime::Metrics as Registry;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Why something was refused: one of a fixed set of constants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Why {
    /// The reason.
    pub(crate) reason: String,
}

/// What carries a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Carrier {
    /// `grpc`, `websocket_json` or `websocket_proto`.
    pub(crate) transport: &'static str,
}

/// The router's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Sessions that are open.
    pub(crate) sessions: Family<Carrier, Gauge>,
    /// Frames from clients.
    pub(crate) frames_in: Family<Carrier, Counter>,
    /// Frames to clients.
    pub(crate) frames_out: Family<Carrier, Counter>,
    /// Requests of authenticated people that this router refused.
    pub(crate) refusals: Family<Why, Counter>,
    /// Tokens that were not admitted.
    pub(crate) rejected: Family<Why, Counter>,
    /// Sessions that ended by the router's will.
    pub(crate) ended: Family<Why, Counter>,
    /// Calls to nodes that failed.
    pub(crate) upstream_failures: Family<Why, Counter>,
    /// Tries of calls beyond the first.
    pub(crate) upstream_retries: Counter,
    /// Seconds until a node's answer.
    pub(crate) upstream_seconds: Histogram,
    /// Links that stand.
    pub(crate) links: Gauge,
    /// Links that broke or could not be made.
    pub(crate) link_breaks: Counter,
    /// Calls that wait for nodes.
    pub(crate) link_calls: Gauge,
    /// Rooms with a hub.
    pub(crate) hubs: Gauge,
    /// Bytes of recent entries that hubs keep.
    pub(crate) rings_bytes: Gauge,
    /// Holes in feeds, each answered by a new subscription.
    pub(crate) feed_holes: Counter,
    /// Seconds since the last sure news of revocations.
    pub(crate) directory_age: Gauge<f64, std::sync::atomic::AtomicU64>,
    /// Fetches of keys that failed.
    pub(crate) jwks_failures: Counter,
    /// Refusals that were not reported, since too many waited or no node took them.
    pub(crate) refusals_dropped: Counter,
}

impl Metrics {
    /// Registers all.
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            sessions: Family::default(),
            frames_in: Family::default(),
            frames_out: Family::default(),
            refusals: Family::default(),
            rejected: Family::default(),
            ended: Family::default(),
            upstream_failures: Family::default(),
            upstream_retries: Counter::default(),
            upstream_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 15)),
            links: Gauge::default(),
            link_breaks: Counter::default(),
            link_calls: Gauge::default(),
            hubs: Gauge::default(),
            rings_bytes: Gauge::default(),
            feed_holes: Counter::default(),
            directory_age: Gauge::default(),
            jwks_failures: Counter::default(),
            refusals_dropped: Counter::default(),
        };
        registry.register(|to| {
            let to = to.sub_registry_with_prefix("router");
            to.register("sessions", "Open sessions", metrics.sessions.clone());
            to.register("frames_in", "Frames from clients", metrics.frames_in.clone());
            to.register("frames_out", "Frames to clients", metrics.frames_out.clone());
            to.register("refusals", "Requests refused by the router", metrics.refusals.clone());
            to.register("tokens_rejected", "Tokens that were not admitted", metrics.rejected.clone());
            to.register("sessions_ended", "Sessions ended by the router", metrics.ended.clone());
            to.register("upstream_failures", "Calls to nodes that failed", metrics.upstream_failures.clone());
            to.register("upstream_retries", "Tries beyond the first", metrics.upstream_retries.clone());
            to.register("upstream_seconds", "Time until a node's answer", metrics.upstream_seconds.clone());
            to.register("links", "Links to nodes", metrics.links.clone());
            to.register("link_breaks", "Links that broke or failed", metrics.link_breaks.clone());
            to.register("link_calls", "Calls that wait for nodes", metrics.link_calls.clone());
            to.register("hubs", "Followed rooms", metrics.hubs.clone());
            to.register("rings_bytes", "Recent entries kept for followers", metrics.rings_bytes.clone());
            to.register("feed_holes", "Holes in feeds", metrics.feed_holes.clone());
            to.register("directory_age_seconds", "Age of the directory", metrics.directory_age.clone());
            to.register("jwks_failures", "Fetches of keys that failed", metrics.jwks_failures.clone());
            to.register("refusals_dropped", "Refusals that were not reported", metrics.refusals_dropped.clone());
        });
        metrics
    }

    /// Counts by a status's reason.
    pub(crate) fn count(family: &Family<Why, Counter>, status: &Status) {
        let reason = status::reason_of(status).unwrap_or_else(|| format!("{:?}", status::code_of(status)));
        family.get_or_create(&Why { reason }).inc();
    }

    /// A call to a node ended.
    pub(crate) fn upstream(&self, answer: &Result<Outcome, Status>, took: Duration) {
        self.upstream_seconds.observe(took.as_secs_f64());
        if let Err(status) = answer {
            Self::count(&self.upstream_failures, status);
        }
    }
}
