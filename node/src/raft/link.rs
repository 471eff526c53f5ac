//! One standing consensus stream: what goes out, and who waits for which answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hansard_domain::ShardId;
use hansard_proto::cluster::v1 as wire;
use tokio::sync::{mpsc, oneshot};

/// Requests that wait to be written. Beyond it senders wait: the link is slower than what its shards produce.
const QUEUED: usize = 1_024;
/// Requests without an answer after which those that nobody awaits any more are forgotten.
const SWEEP_AT: usize = 4_096;

type Waiting = HashMap<u64, oneshot::Sender<wire::ConsensusResponse>>;

/// A standing stream.
pub(super) struct Link {
    requests: mpsc::Sender<wire::ConsensusRequest>,
    next_id: AtomicU64,
    /// Absent once the stream has ended.
    waiting: Mutex<Option<Waiting>>,
}

impl Link {
    /// A link, and the requests that its stream sends; the stream writes all that wait at once.
    pub(super) fn new() -> (Arc<Link>, mpsc::Receiver<wire::ConsensusRequest>) {
        let (requests, outgoing) = mpsc::channel(QUEUED);
        let waiting = Mutex::new(Some(HashMap::new()));
        (Arc::new(Link { requests, next_id: AtomicU64::new(1), waiting }), outgoing)
    }

    /// Queues a request. Requests of one caller leave in the order of its calls. `None` if the stream has ended.
    pub(super) async fn send(
        &self,
        shard: ShardId,
        call: wire::consensus_request::Call,
    ) -> Option<oneshot::Receiver<wire::ConsensusResponse>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, awaited) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().expect("no holder panics");
            let waiting = waiting.as_mut()?;
            if waiting.len() >= SWEEP_AT {
                waiting.retain(|_, answer| !answer.is_closed());
            }
            waiting.insert(id, answer);
        }
        let shard = Bytes::copy_from_slice(shard.as_bytes());
        self.requests.send(wire::ConsensusRequest { id, shard, call: Some(call) }).await.ok()?;
        Some(awaited)
    }

    /// Queues a sign of life, which gets no answer; if nothing more can wait, there are signs enough.
    pub(super) fn beat(&self) {
        let _ = self.requests.try_send(wire::ConsensusRequest::default());
    }

    /// Hands an answer to whoever awaits it.
    pub(super) fn answered(&self, answer: wire::ConsensusResponse) {
        let mut waiting = self.waiting.lock().expect("no holder panics");
        if let Some(sender) = waiting.as_mut().and_then(|waiting| waiting.remove(&answer.id)) {
            // Whoever waited may have given up.
            let _ = sender.send(answer);
        }
    }

    /// The stream has ended: nobody gets an answer any more.
    pub(super) fn abandon(&self) {
        *self.waiting.lock().expect("no holder panics") = None;
    }
}
