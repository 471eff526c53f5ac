//! A call, tried until it is answered or its time is over. Every call may be tried again: reads change nothing, and
//! whatever changes something carries a request id.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hansard_domain::bug::{self, Bug};
use hansard_domain::{NodeId, RequestId, ShardId};
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::{NodeCall, Proposed};
use hansard_proto::convert::bytes;
use hansard_proto::hot::ProposeCall;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_runtime::telemetry;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Code;

use super::asker::{Answer, Asker, Lost};
use super::{Conn, Upstream};
use crate::directory::{Route, Target};
use crate::limits::{CALL_TIMEOUT, LINK_CALLS, RETRY_PAUSE};
use crate::principal::Principal;
use crate::proposal::{Committed, Proposal};
use crate::{reason, refuse};

/// How long a replica near may take to answer before the leader is asked: it asks the leader itself, for less.
const NEAR: Duration = Duration::from_millis(1_500);

/// What people are told of an unknown outcome.
const UNKNOWN: &str = "no leader answered in time; the outcome is unknown: send again with the same request id";

/// What a try came to, when it came to nothing.
#[derive(Debug)]
enum Again {
    /// Nothing was done.
    Elsewhere(Status),
    /// Something may have been done.
    Unknown,
    /// Stop trying.
    Refused(Status),
}

/// A proposal on its way for the first time.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The link that it was queued for; it goes with the next kick.
    pub(crate) conn: Arc<Conn>,
    /// The call's id there.
    pub(crate) call: u64,
    /// Who led the shard then.
    led: Option<NodeId>,
}

/// A first try that came to nothing.
#[derive(Debug)]
pub(crate) struct First {
    led: Option<NodeId>,
    again: Again,
}

impl Upstream {
    /// Makes a call to the leader of the target's shard.
    ///
    /// # Errors
    /// The node's refusal, or `UNAVAILABLE` with `RetryInfo` when the outcome is unknown after [`CALL_TIMEOUT`]; `OVERLOADED` for a page of
    /// somebody who has too many under way.
    pub(crate) async fn call(&self, who: Option<&Principal>, target: Target, call: Call) -> Result<Outcome, Status> {
        let _held = self.leave(who, target, &call).await?;
        let (started, traceparent) = (Instant::now(), telemetry::traceparent(&tracing::Span::current()));
        let template = NodeCall {
            principal: who.map(Principal::to_wire),
            traceparent: traceparent.unwrap_or_default(),
            call: Some(call),
            ..NodeCall::default()
        };
        let answer = self.until(started + CALL_TIMEOUT, target, template, None).await;
        self.metrics.upstream(&answer, started.elapsed());
        answer
    }

    /// Asks one replica of the target's shard at this router's site for a page, once. `None`: there is none, it does not answer that in
    /// time, or the person has too many pages under way; the leader is to be asked.
    pub(crate) async fn ask_near(&self, who: &Principal, target: Target, call: Call) -> Option<Outcome> {
        let started = Instant::now();
        let _held = self.leave_now(who, target)?;
        let route = self.directory.route(target)?;
        let voters = self.directory.voters_at(target, &self.hello.site);
        let conn = voters.into_iter().find_map(|voter| self.conn(voter))?;
        let traceparent = telemetry::traceparent(&tracing::Span::current());
        let call = NodeCall {
            shard: bytes(route.shard),
            epoch: route.epoch,
            principal: Some(who.to_wire()),
            traceparent: traceparent.unwrap_or_default(),
            deadline_ms: u32::try_from(NEAR.as_millis()).unwrap_or(u32::MAX),
            call: Some(call),
            ..NodeCall::default()
        };
        let outcome = judge(conn.call(route.shard, call, started + NEAR).await).ok()?;
        self.metrics.upstream_seconds.observe(started.elapsed().as_secs_f64());
        Some(outcome)
    }

    /// Asks every linked node at once, without another try; their answers, but no refusals.
    pub(crate) async fn ask_all(&self, who: &Principal, call: Call, within: Duration) -> Vec<Outcome> {
        let (shard, deadline) = (ShardId::META, Instant::now() + within);
        let call = NodeCall {
            shard: bytes(shard),
            principal: Some(who.to_wire()),
            deadline_ms: u32::try_from(within.as_millis()).unwrap_or(u32::MAX),
            call: Some(call),
            ..NodeCall::default()
        };
        let conns = self.conns();
        let asked = conns.iter().map(|conn| conn.call(shard, call.clone(), deadline));
        let answers = join_all(asked).await.into_iter().flatten();
        answers.filter(|answer| !matches!(answer, Outcome::Status(_))).collect()
    }

    /// Has a proposal committed.
    ///
    /// # Errors
    /// As [`Upstream::call`].
    pub(crate) async fn propose(&self, who: &Principal, proposal: Proposal) -> Result<Committed, Status> {
        let target = Target::Room(proposal.room);
        let answer = self.call(Some(who), target, Call::Propose(self.as_sent(proposal).into_wire())).await;
        failpoint::pass(Point::RouterAck);
        committed(answer?)
    }

    /// A proposal as nodes are told it.
    pub(crate) fn as_sent(&self, mut proposal: Proposal) -> Proposal {
        if bug::is(Bug::DedupPerRouter) {
            let mut id = *proposal.request.as_bytes();
            id.iter_mut().zip(self.hello.router.bytes()).for_each(|(byte, name)| *byte ^= name);
            proposal.request = RequestId::from_bytes(id);
        }
        proposal
    }

    /// Queues a proposal of a session, without a task or a timer of its own: the answer comes to `asker`, at the latest soon after
    /// [`CALL_TIMEOUT`]. One that is no commit is for [`Upstream::go_on`].
    ///
    /// # Errors
    /// What to go on with when it could not be queued.
    pub(crate) fn submit(
        &self,
        who: &Principal,
        proposal: &Proposal,
        traceparent: Option<&str>,
        started: Instant,
        asker: Asker,
    ) -> Result<Ticket, First> {
        let target = Target::Room(proposal.room);
        let (route, conn) = self.aim(target, None).map_err(|again| First { led: self.led_by(target), again })?;
        let call = ProposeCall {
            id: 0,
            shard: route.shard,
            epoch: route.epoch,
            person: who.person,
            person_epoch: who.epoch,
            operator: who.operator,
            traceparent: traceparent.unwrap_or_default(),
            deadline_ms: CALL_TIMEOUT.as_millis() as u32,
            room: proposal.room,
            request: proposal.request,
            action: proposal.action.number(),
            target_seq: proposal.target_seq(),
            content: &proposal.content,
        };
        match conn.propose(call, started + CALL_TIMEOUT, asker) {
            Ok(call) => Ok(Ticket { conn, call, led: route.leader }),
            Err(lost) => Err(First { led: route.leader, again: judge_lost(lost) }),
        }
    }

    /// Tries a proposal on whose first try came to nothing.
    ///
    /// # Errors
    /// As [`Upstream::call`].
    pub(crate) async fn go_on(
        &self,
        who: &Principal,
        proposal: Proposal,
        started: Instant,
        first: First,
    ) -> Result<Committed, Status> {
        let template = NodeCall {
            principal: Some(who.to_wire()),
            traceparent: telemetry::traceparent(&tracing::Span::current()).unwrap_or_default(),
            ..NodeCall::default()
        };
        let target = Target::Room(proposal.room);
        let template = NodeCall { call: Some(Call::Propose(proposal.into_wire())), ..template };
        let answer = self.until(started + CALL_TIMEOUT, target, template, Some(first)).await;
        self.metrics.upstream(&answer, started.elapsed());
        failpoint::pass(Point::RouterAck);
        committed(answer?)
    }

    /// A proposal of a session was committed by its first try.
    pub(crate) fn submitted(&self, took: Duration) {
        self.metrics.upstream_seconds.observe(took.as_secs_f64());
        failpoint::pass(Point::RouterAck);
    }

    async fn until(
        &self,
        deadline: Instant,
        target: Target,
        template: NodeCall,
        mut first: Option<First>,
    ) -> Result<Outcome, Status> {
        let (mut pause, mut unknown, mut hint, mut hinted) = (RETRY_PAUSE.0, false, None, false);
        loop {
            let (tried, attempt) = match first.take() {
                Some(First { led, again }) => (led, Err(again)),
                None => (self.led_by(target), self.attempt(deadline, target, hint.take(), template.clone()).await),
            };
            let nothing = match attempt {
                Ok(outcome) => return Ok(outcome),
                // Turned away this time says nothing of the times before.
                Err(Again::Refused(status)) if unknown && status::retry_after(&status).is_some() => {
                    return Err(status::unknown_outcome(UNKNOWN));
                }
                Err(Again::Refused(status)) => return Err(status),
                Err(Again::Elsewhere(status)) => {
                    hint = leader_hint(&status);
                    Some(status)
                }
                Err(Again::Unknown) => None,
            };
            unknown |= nothing.is_none();
            // At once where a leader was named, but not twice in a row: two nodes may name each other.
            hinted = hint.is_some() && !hinted;
            let wait = if hinted { Duration::ZERO } else { self.jittered(pause) };
            if Instant::now() + wait >= deadline {
                let nothing = nothing.filter(|_| !unknown);
                return Err(nothing.map_or_else(|| status::unknown_outcome(UNKNOWN), no_leader));
            }
            self.metrics.upstream_retries.inc();
            pause_for(wait, &self.led, || self.led_by(target) != tried).await;
            pause = (pause * 2).min(RETRY_PAUSE.1);
        }
    }

    fn led_by(&self, target: Target) -> Option<NodeId> {
        self.directory.route(target)?.leader
    }

    /// Where a call goes, and the link there.
    fn aim(&self, target: Target, hint: Option<NodeId>) -> Result<(Route, Arc<Conn>), Again> {
        let route = self.directory.route(target).ok_or_else(|| elsewhere("the placement is not known yet"))?;
        let leader = hint.or(route.leader).ok_or_else(|| elsewhere("the shard's leader is not known"))?;
        let conn = self.conn(leader).ok_or_else(|| elsewhere("the shard's leader cannot be reached"))?;
        Ok((route, conn))
    }

    async fn attempt(
        &self,
        deadline: Instant,
        target: Target,
        hint: Option<NodeId>,
        mut call: NodeCall,
    ) -> Result<Outcome, Again> {
        let (Route { shard, epoch, .. }, conn) = self.aim(target, hint)?;
        (call.shard, call.epoch) = (bytes(shard), epoch);
        let left = deadline.saturating_duration_since(Instant::now());
        call.deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
        judge(conn.call(shard, call, deadline).await)
    }
}

impl Ticket {
    /// What to go on with when the answer is no commit.
    pub(crate) fn first(self, answer: Answer) -> First {
        let again = match judge(answer) {
            Ok(_) => Again::Refused(refuse::wrong_answer().into_status()),
            Err(again) => again,
        };
        First { led: self.led, again }
    }
}

/// Pauses for so long, or until there is `news` that makes another try worth while; `told` says when to look.
async fn pause_for(wait: Duration, told: &Notify, news: impl Fn() -> bool) {
    let until = Instant::now() + wait;
    loop {
        let mut told = std::pin::pin!(told.notified());
        // From here on nothing is missed.
        told.as_mut().enable();
        if news() || tokio::time::timeout_at(until, told).await.is_err() {
            return;
        }
    }
}

fn elsewhere(text: &str) -> Again {
    Again::Elsewhere(status::new(Code::Unavailable, reason::NO_LEADER, text))
}

fn committed(outcome: Outcome) -> Result<Committed, Status> {
    match outcome {
        Outcome::Proposed(Proposed { seq, time_us, .. }) => Ok(Committed { seq, time_us }),
        _ => Err(refuse::wrong_answer().into_status()),
    }
}

fn judge(answer: Answer) -> Result<Outcome, Again> {
    match answer {
        Ok(Outcome::Status(status)) => Err(judge_status(status)),
        Ok(outcome) => Ok(outcome),
        Err(lost) => Err(judge_lost(lost)),
    }
}

fn judge_lost(lost: Lost) -> Again {
    match lost {
        Lost::Down => elsewhere("the link to the shard's leader is down"),
        Lost::Full => Again::Refused(refuse::overloaded("calls to a node", LINK_CALLS)),
        Lost::Unknown | Lost::Late => Again::Unknown,
    }
}

fn judge_status(status: Status) -> Again {
    let reason = status::reason_of(&status).unwrap_or_default();
    match reason.as_str() {
        reason::NOT_LEADER | reason::NO_LEADER | reason::STALE_EPOCH => Again::Elsewhere(status),
        _ if matches!(status::code_of(&status), Code::Unavailable | Code::Aborted) => Again::Unknown,
        _ => Again::Refused(status),
    }
}

/// The node that a `NOT_LEADER` names.
fn leader_hint(status: &Status) -> Option<NodeId> {
    let info = status::info_of(status)?;
    info.metadata.get("leader")?.parse().ok().filter(|node| *node != 0)
}

/// What clients are told when nothing was done since nobody led: inner reasons stay inside.
fn no_leader(status: Status) -> Status {
    let text = format!("nothing was done, try again: {}", status.message);
    status::retryable(Code::Unavailable, reason::NO_LEADER, text, Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_pause_ends_with_news_of_its_own_leader() {
        let (told, news) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let pause = tokio::spawn({
            let (told, news) = (told.clone(), news.clone());
            async move { pause_for(LONG, &told, || news.load(Ordering::SeqCst)).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
            told.notify_waiters();
        }
        assert!(!pause.is_finished(), "the news of other shards are none");
        news.store(true, Ordering::SeqCst);
        told.notify_waiters();
        tokio::time::timeout(LONG / 2, pause).await.expect("it ends at once").unwrap();
    }

    #[tokio::test]
    async fn a_pause_ends_without_news_too() {
        let from = Instant::now();
        let wait = Duration::from_millis(20);
        pause_for(wait, &Notify::new(), || false).await;
        assert!(from.elapsed() >= wait);
        pause_for(LONG, &Notify::new(), || true).await;
    }
}
