//! One router's link: its calls run beside each other, bounded; its subscriptions and signals are passed on.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hansard_domain::{RoomId, ShardId};
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::{
    cluster::v1::{self as wire, node_call::Call, node_reply::Outcome},
    reason, status,
};
use tonic::{Code, Streaming};
use tracing::Instrument;

use super::{
    bounds::{Bounds, Page},
    calls,
};
use crate::{
    fanout::{self, StoredRooms},
    links::{Link, Outbox, Permit},
    shard::ProposeError,
    state::Node,
};

/// The newest version of the link's messages that this node speaks.
const PROTOCOL: u32 = 2;

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
    let welcome = wire::LinkWelcome {
        node: Some(node.local.clone().into()),
        cluster: node.binding.to_wire(),
        protocol: PROTOCOL,
    };
    outbox.welcome(welcome, hello.protocol);
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
        let mut desk = calls::Desk::new(self.node);
        for call in request.calls {
            if self.bounds.is_full() {
                // Whoever waits for room must not go on by what was known before.
                self.bounds.room().await;
                desk = calls::Desk::new(self.node);
            }
            self.call(call, &mut desk).await;
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
    async fn call(&mut self, call: wire::NodeCall, desk: &mut calls::Desk) {
        let outbox = self.link.outbox.clone();
        let (permit, page) = match self.bounds.enter(&call).await {
            Ok(entered) => entered,
            Err(permit) => {
                self.node.metrics.refused(reason::OVERLOADED);
                return outbox.reply(refuse(call.id, overloaded()), Some(permit));
            }
        };
        self.node.metrics.called();
        let asked = Asked { node: self.node.clone(), outbox, id: call.id, permit, span: calls::span(&call) };
        let span = asked.span.clone();
        let work = match &call.call {
            Some(Call::Propose(_)) => match span.in_scope(|| asked.propose(&call, desk)) {
                None => return,
                Some(work) => work,
            },
            _ => Box::pin(asked.answer(call, page)),
        };
        // Taken as far as it goes at once, so that proposals wait for their shard in the order in which they came.
        let mut work = work.instrument(span);
        if futures_util::poll!(&mut work).is_pending() {
            tokio::spawn(work);
        }
    }
}

/// A call that waits for its answer.
struct Asked {
    node: Arc<Node>,
    outbox: Arc<Outbox>,
    id: u64,
    permit: Permit,
    /// As long as the call.
    span: tracing::Span,
}

impl Asked {
    /// Proposes. What is left to be done, if the shard must look at its rows first.
    fn propose(self, call: &wire::NodeCall, desk: &mut calls::Desk) -> Option<BoxFuture<'static, ()>> {
        let (shard, request) = match desk.proposal(call) {
            Ok(proposal) => proposal,
            Err(status) => {
                self.reply(Err(status));
                return None;
            }
        };
        let deadline = deadline(call.deadline_ms);
        let answer = |outcome| {
            let answer = calls::proposed(&self.node, outcome);
            self.reply(answer);
        };
        let (request, answer) = shard.submit_known(request, answer).err()?;
        let shard = shard.clone();
        Some(Box::pin(async move {
            let outcome = tokio::time::timeout(deadline, shard.submit(request)).await;
            answer(outcome.unwrap_or(Err(ProposeError::Unknown { reason: "no commit in time" })));
        }))
    }

    /// Does what else can be asked.
    async fn answer(mut self, call: wire::NodeCall, page: Option<Page>) {
        let deadline = deadline(call.deadline_ms);
        let answer = async {
            if let Some(page) = page {
                self.permit._page = Some(page.wait().await);
            }
            calls::answer(&self.node, call).await
        };
        let answer = tokio::time::timeout(deadline, answer).await;
        self.reply(answer.unwrap_or_else(|_| Err(late())));
    }

    fn reply(self, answer: Result<Outcome, hansard_proto::rpc::Status>) {
        failpoint::pass(Point::LinkReply);
        let outcome = match answer {
            Ok(Outcome::Proposed(proposed)) => return self.outbox.proposed(self.id, proposed, self.permit),
            Ok(outcome) => outcome,
            Err(status) => {
                self.node.metrics.refused(&status::reason_of(&status).unwrap_or_default());
                Outcome::Status(status)
            }
        };
        self.outbox.reply(wire::NodeReply { id: self.id, outcome: Some(outcome) }, Some(self.permit));
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
