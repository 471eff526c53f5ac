//! A shard of rooms: asks policy, proposes, and records what was refused.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hansard_domain::limits::MAX_BATCH_COMMANDS;
use hansard_domain::{
    Action, Command, Content, Outcome, PersonId, Refusal, RequestId, RoomId, RuleId, Salt, Sealed, read,
};
use hansard_failpoint::{self as failpoint, Point};
use hansard_policy::{POLICY_VERSION, Permit, decide};
use hansard_storage::{Store, StoreError};

use super::answer::Answer;
use super::batch::{Permitted, Seams};
use super::error::{MembershipError, ProposeError, ReadError};
use super::known::Known;
use super::pacer::Pacer;
use super::proposer::Proposals;
use super::refusals::{Refusals, Verdict};
use super::replica::Replica;
use super::request::{ProposeRequest, RefusalReport};

/// How often counted refusals are looked at; a count is recorded at most this long after its minute.
const SWEEP: Duration = Duration::from_secs(5);
/// How long the counts may take to be recorded before a leadership is handed over.
const FAREWELL: Duration = Duration::from_secs(2);

/// This node's replica of a shard of rooms. Clones are handles to the same one.
#[derive(Clone)]
pub struct ShardHandle {
    replica: Replica,
    proposals: Proposals<Permitted>,
    seams: Seams,
    store: Store,
    refusals: Arc<Mutex<Refusals>>,
    known: Arc<Known>,
}

impl Deref for ShardHandle {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl ShardHandle {
    pub(super) fn start(replica: Replica, seams: Seams, store: Store, pacer: Arc<Pacer>) -> ShardHandle {
        let proposals = Proposals::start(&replica, seams.clone(), pacer);
        let handle = ShardHandle { replica, proposals, seams, store, refusals: Arc::default(), known: Arc::default() };
        tokio::spawn(handle.clone().sweep());
        handle
    }

    /// Proposes at once what somebody wants who was permitted the like a moment ago, and tells the outcome when there is one. From all
    /// others it takes nothing: they are for [`ShardHandle::submit`].
    pub fn submit_known<A>(&self, request: ProposeRequest, answer: A) -> Result<(), (ProposeRequest, A)>
    where
        A: FnOnce(Result<Outcome, ProposeError>) + Send + 'static,
    {
        let (term, actor, action) = (self.leads().term, request.actor, request.action);
        let Some(permit) = self.ready().ok().and_then(|()| self.known_permit(term, &request)) else {
            return Err((request, answer));
        };
        let known = self.known.clone();
        let answer = Answer::new(move |result| {
            failpoint::pass(Point::RoomAnswer);
            if let Ok(outcome) = result {
                known.learn(term, actor, &action, outcome);
            }
            answer(result);
        });
        self.proposals.put(permitted(&permit, request), answer);
        Ok(())
    }

    /// Decides by the facts as applied here, then proposes; apply decides again. A refusal by policy is recorded, within bounds,
    /// and returned. A repeated request gets its first answer even when it would not be permitted any more.
    ///
    /// # Errors
    /// Without an outcome; see [`ProposeError`] for what may be concluded.
    pub async fn submit(&self, request: ProposeRequest) -> Result<Outcome, ProposeError> {
        self.ready()?;
        let unreadable = |error: StoreError| {
            tracing::error!(%error, "rows cannot be read");
            ProposeError::Unknown { reason: "rows cannot be read" }
        };
        let Ok(content) = Content::decode(&request.content) else {
            return self.refuse(&request, Refusal::InvalidContent).await;
        };
        let (term, actor, action) = (self.leads().term, request.actor, request.action);
        if let Some(permit) = self.known_permit(term, &request) {
            return self.propose_and_learn(term, permit, request).await;
        }
        let rows = self.rows();
        let facts = read::facts(&rows, actor, &action).map_err(unreadable)?;
        match decide(actor, &action, &content, &facts.facts()) {
            Ok(permit) => {
                self.known.keep(term, actor, &action, facts);
                self.propose_and_learn(term, permit, request).await
            }
            Err(refusal) => {
                let seen = read::first_answer(&rows, &unstamped(&request)).map_err(unreadable)?;
                match seen {
                    Some(first @ Outcome::Committed { .. }) => Ok(first),
                    Some(Outcome::Refused(first)) => self.refuse(&request, first).await,
                    None => self.refuse(&request, refusal).await,
                }
            }
        }
    }

    /// By the facts that somebody's last send here was permitted by.
    fn known_permit(&self, term: u64, request: &ProposeRequest) -> Option<Permit> {
        let facts = self.known.get(term, request.actor, &request.action)?;
        let content = Content::decode(&request.content).ok()?;
        decide(request.actor, &request.action, &content, &facts.facts()).ok()
    }

    async fn propose_and_learn(
        &self,
        term: u64,
        permit: Permit,
        request: ProposeRequest,
    ) -> Result<Outcome, ProposeError> {
        let (actor, action) = (request.actor, request.action);
        let outcome = self.propose(permit, request).await?;
        self.known.learn(term, actor, &action, outcome);
        Ok(outcome)
    }

    /// Proposes what was permitted.
    ///
    /// # Errors
    /// Without an outcome; see [`ProposeError`] for what may be concluded.
    ///
    /// # Panics
    /// If the permit is for another person or action: that would be a hole in the wall.
    pub async fn propose(&self, permit: Permit, request: ProposeRequest) -> Result<Outcome, ProposeError> {
        self.ready()?;
        let outcome = self.proposals.propose(permitted(&permit, request), self.patience()).await;
        failpoint::pass(Point::RoomAnswer);
        outcome
    }

    /// Records refusals of one person that somebody else counted; once, however often they come with the same request.
    ///
    /// # Errors
    /// Without an outcome. After `Unknown` they are to be sent again with the same request.
    pub async fn report_refusals(&self, request: RequestId, report: RefusalReport) -> Result<(), ProposeError> {
        self.ready()?;
        self.record(request, report).await
    }

    async fn record(&self, request: RequestId, report: RefusalReport) -> Result<(), ProposeError> {
        let RefusalReport { person, room, reason, count, first_us, last_us } = report;
        let request = ProposeRequest {
            actor: person,
            request,
            action: Action::Refused { room, reason: reason.number(), count, first_us, last_us },
            content: bytes::Bytes::new(),
        };
        // Nobody asks for this: the shard keeps its own record, so there is nothing to permit.
        let item = Permitted::new(request, POLICY_VERSION, RuleId::RefusalsAreRecorded.number());
        self.proposals.propose(item, self.patience()).await.map(drop)
    }

    /// Nothing is taken in by a replica that does not serve, nor when the disk is nearly full.
    fn ready(&self) -> Result<(), ProposeError> {
        let now = self.leads();
        if !now.serving {
            let leader = now.leader.filter(|&leader| leader != self.node());
            return Err(ProposeError::NotLeader { leader });
        }
        if !self.store.accepting() {
            return Err(ProposeError::StorageFull);
        }
        Ok(())
    }

    /// A request of this node's own.
    fn draw(&self) -> RequestId {
        RequestId::from_bytes(self.seams.entropy.id())
    }

    fn patience(&self) -> Duration {
        self.replica.inner.tuning.propose_timeout
    }

    /// Records one refusal of a person, or counts it when there were many in this minute.
    ///
    /// # Errors
    /// Without an outcome. A refusal that is noted again after `Unknown` may be recorded twice.
    pub async fn note_refusal(
        &self,
        person: PersonId,
        room: Option<RoomId>,
        reason: Refusal,
    ) -> Result<(), ProposeError> {
        self.note(person, room, reason).await.map(drop)
    }

    async fn note(&self, person: PersonId, room: Option<RoomId>, reason: Refusal) -> Result<Verdict, ProposeError> {
        self.ready()?;
        let now_us = self.seams.clock.now_us();
        let verdict = self.refusals.lock().expect("no holder panics").note(person, room, reason, now_us);
        if verdict == Verdict::Record {
            let report = RefusalReport { person, room, reason, count: 1, first_us: now_us, last_us: now_us };
            self.report_refusals(self.draw(), report).await?;
        }
        Ok(verdict)
    }

    /// Hands the leadership over, once what was counted of refusals is in the record: it would go with the office.
    ///
    /// # Errors
    /// Those of a replica's hand-over.
    pub(super) async fn transfer_leader(&self, to: u64) -> Result<(), MembershipError> {
        // Whoever asks in vain asks again, and what is counted is to be one entry a minute.
        self.replica.may_hand_over(to)?;
        if to != self.node() {
            self.record_counts().await;
        }
        self.replica.transfer_leader(to).await
    }

    /// Records all counts, if this replica leads. A full disk is no hindrance: they are few, and are lost otherwise.
    pub(super) async fn record_counts(&self) {
        if !self.leads().serving {
            return;
        }
        let counts = self.refusals.lock().expect("no holder panics").take();
        let recording =
            stream::iter(counts).for_each_concurrent(MAX_BATCH_COMMANDS, |report| self.record_or_lose(report));
        if tokio::time::timeout(FAREWELL, recording).await.is_err() {
            tracing::warn!(shard = %self.id(), "counted refusals were not recorded in time");
        }
    }

    async fn record_or_lose(&self, report: RefusalReport) {
        if let Err(error) = self.record(self.draw(), report).await {
            tracing::warn!(%error, count = report.count, "counted refusals were not recorded");
        }
    }

    /// Answers a refusal once it is recorded; or counted, and a quorum has confirmed who refuses: by the rows of a leader that was
    /// deposed, somebody is refused who was let in meanwhile.
    async fn refuse(&self, request: &ProposeRequest, refusal: Refusal) -> Result<Outcome, ProposeError> {
        if self.note(request.actor, request.action.room(), refusal).await? == Verdict::Counted {
            self.read_index().await.map_err(unconfirmed)?;
        }
        Ok(Outcome::Refused(refusal))
    }

    /// Records counts whose minute is over, until the shard stops.
    async fn sweep(self) {
        let mut leadership = self.leadership();
        loop {
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                changed = leadership.changed() => if changed.is_err() { return } else { continue },
            }
            let due = self.refusals.lock().expect("no holder panics").due(self.seams.clock.now_us());
            for report in due {
                // A leader that is lost loses its counts with it; those recorded one by one are kept.
                self.record_or_lose(report).await;
            }
        }
    }
}

fn permitted(permit: &Permit, request: ProposeRequest) -> Permitted {
    let fits = (permit.actor(), permit.action()) == (request.actor, &request.action);
    assert!(fits, "a permit is for one person and one action");
    Permitted::new(request, permit.policy(), permit.rule().number())
}

/// The command that a request would become, as far as the memory of requests compares it.
fn unstamped(request: &ProposeRequest) -> Command {
    Command {
        request: request.request,
        actor: request.actor,
        stamp_us: 0,
        policy: 0,
        rule: 0,
        salt: Salt([0; 32]),
        content: Sealed::clear(request.content.clone()),
        action: request.action,
    }
}

/// What who is refused may conclude where no quorum confirms the refusal: nothing was done.
fn unconfirmed(error: ReadError) -> ProposeError {
    match error {
        ReadError::NotLeader { leader } => ProposeError::NotLeader { leader },
        ReadError::Overloaded => ProposeError::Overloaded { retry_after: SWEEP },
        ReadError::NoQuorum | ReadError::Stopped | ReadError::Store(_) => ProposeError::NotLeader { leader: None },
    }
}
