//! Sends sessions elsewhere, so that a rollout is no reconnect storm.

use std::time::Duration;

use hansard_proto::status;
use tokio::time::Instant;
use tonic::Code;

use crate::connection::Order;
use crate::edge::Edge;
use crate::reason;

/// Time between two bursts of orders.
const PACE: Duration = Duration::from_millis(50);
/// Orders in a burst, at least.
const BURST: usize = 50;
/// The longest that a client is asked to wait before it reconnects, besides what it waited for its order.
const JITTER_MS: u64 = 1_000;
/// How long connections have to say farewell after the last order.
const FAREWELL: Duration = Duration::from_secs(3);

/// Orders all sessions elsewhere within `time`, and waits until they are gone, or the time is over.
pub(crate) async fn drain(edge: &Edge, time: Duration) {
    let inboxes = edge.sessions.inboxes();
    // Half of the time for the orders; the rest for clients to go.
    let bursts = usize::try_from((time / 2).as_millis() / PACE.as_millis()).unwrap_or(1).max(1);
    let burst = inboxes.len().div_ceil(bursts).max(BURST);
    for (number, some) in inboxes.chunks(burst).enumerate() {
        if number > 0 {
            tokio::time::sleep(PACE).await;
        }
        for inbox in some {
            let after = Duration::from_millis(edge.entropy.below(JITTER_MS));
            let status =
                status::retryable(Code::Unavailable, reason::DRAINING, "this router stops; go to another", after);
            inbox.order(Order { status, after: Some(after) });
        }
    }
    let until = Instant::now() + FAREWELL.min(time);
    while !edge.sessions.is_empty() && Instant::now() < until {
        tokio::time::sleep(PACE).await;
    }
}
