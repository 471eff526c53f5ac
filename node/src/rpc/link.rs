//! One router's link: its calls run beside each other, bounded; its subscriptions and signals are passed on.

use std::{sync::Arc, time::Duration};

use hansard_domain::{RoomId, ShardId};
use hansard_proto::{
    cluster::v1::{self as wire, node_reply::Outcome},
    reason, status,
};
use tonic::{Code, Streaming};
use tracing::Instrument;

use super::{bounds::Bounds, calls};
use crate::{
    fanout::{self, StoredRooms},
    links::{Link, Outbox},
    state::Node,
};

/// What a router waits that does not say how long.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// The longest that a call may take.
const MAX_DEADLINE: Duration = Duration::from_secs(60);

struct Reader<'a> {
    node: &'a Arc<Node>,
    link: Arc<Link>,
    bounds: Bounds,
}

/// Serves a link until either side ends it.
pub(super) async fn serve(
    node: &Arc<Node>,
    hello: wire::LinkHello,
    mut requests: Streaming<wire::LinkRequest>,
    outbox: &Arc<Outbox>,
) {
    outbox.welcome(wire::LinkWelcome {
        node: Some(node.local.clone().into()),
        cluster: node.binding.to_wire(),
        protocol: super::PROTOCOL,
    });
    let Some(link) = node.directory.open(&hello, outbox.clone()) else {
        tracing::warn!("too many routers are linked; one was turned away");
        return;
    };
    tracing::info!(router = link.router, site = hello.site, "a router linked");
    let rooms = Arc::new(StoredRooms(node.host.clone()));
    let pump = tokio::spawn(fanout::pump(node.fanout.clone(), link.feed.clone(), rooms));
    let mut reader = Reader { node, link: link.clone(), bounds: Bounds::new() };
    let closed = outbox.closed();
    tokio::pin!(closed);
    loop {
        let request = tokio::select! {
            request = requests.message() => request,
            () = &mut closed => break,
        };
        match request {
            Ok(Some(request)) => reader.take(request).await,
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(%error, "a link broke");
                break;
            }
        }
    }
    node.directory.close(&link);
    node.fanout.drop_link(&link.feed);
    pump.abort();
    tracing::info!(router = link.router, "a router's link ended");
}

impl Reader<'_> {
    async fn take(&mut self, request: wire::LinkRequest) {
        for call in request.calls {
            self.call(call).await;
        }
        let feed = &self.link.feed;
        for wanted in request.subscribe {
            if let (Ok(room), Ok(shard)) = (RoomId::from_slice(&wanted.room), ShardId::from_slice(&wanted.shard)) {
                let after = (!wanted.from_now).then_some(wanted.after_seq);
                self.node.fanout.subscribe(feed, shard, room, after);
            }
        }
        for room in request.unsubscribe {
            if let Ok(room) = RoomId::from_slice(&room) {
                self.node.fanout.unsubscribe(feed, &room);
            }
        }
        for signal in request.signals {
            self.node.links.signal(&self.link, signal);
        }
    }

    /// Starts a call, as soon as the link's bounds allow it.
    async fn call(&mut self, call: wire::NodeCall) {
        let outbox = self.link.outbox.clone();
        let (mut permit, page) = match self.bounds.enter(&call).await {
            Ok(entered) => entered,
            Err(permit) => {
                self.node.metrics.refused(reason::OVERLOADED);
                return outbox.reply(refuse(call.id, overloaded()), Some(permit));
            }
        };
        let node = self.node.clone();
        let (id, deadline) = (call.id, deadline(call.deadline_ms));
        let span = calls::span(&call);
        let work = async move {
            let answer = async {
                permit._page = page.wait().await;
                calls::answer(&node, call).await
            };
            let answer = tokio::time::timeout(deadline, answer).await;
            let outcome = match answer {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(status)) => {
                    node.metrics.refused(&status::reason_of(&status).unwrap_or_default());
                    Outcome::Status(status)
                }
                Err(_) => Outcome::Status(late()),
            };
            outbox.reply(wire::NodeReply { id, outcome: Some(outcome) }, Some(permit));
        };
        // Taken as far as it goes at once, so that proposals wait for their shard in the order in which they came.
        let mut work = Box::pin(work.instrument(span));
        if futures_util::poll!(&mut work).is_pending() {
            tokio::spawn(work);
        }
    }
}

fn deadline(ms: u32) -> Duration {
    match ms {
        0 => DEFAULT_DEADLINE,
        ms => Duration::from_millis(u64::from(ms)).min(MAX_DEADLINE),
    }
}

fn refuse(id: u64, status: hansard_proto::rpc::Status) -> wire::NodeReply {
    wire::NodeReply { id, outcome: Some(Outcome::Status(status)) }
}

fn overloaded() -> hansard_proto::rpc::Status {
    let why = "too many calls for this shard are under way; nothing was done";
    status::retryable(Code::ResourceExhausted, reason::OVERLOADED, why, status::DEFAULT_RETRY)
}

fn late() -> hansard_proto::rpc::Status {
    let why = "no answer in time; the outcome is unknown: send again with the same request id";
    status::retryable(Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED, why, status::DEFAULT_RETRY)
}
