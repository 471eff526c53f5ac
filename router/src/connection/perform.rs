//! Does what a session wants done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hansard_domain::{Action, RoomId};
use hansard_proto::cluster::v1::ReadHistory;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::convert::bytes;
use hansard_proto::rpc::Status;
use hansard_runtime::telemetry;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tracing::Instrument;

use super::calls::Calls;
use super::flights::{Flight, Flights};
use super::{Codec, Inbox, Outbound};
use crate::directory::Target;
use crate::edge::Edge;
use crate::hub::Read;
use crate::limits::{PAGE_BYTES, PAGE_ENTRIES};
use crate::metrics::Carrier;
use crate::principal::Principal;
use crate::proposal::{Committed, Proposal};
use crate::session::{Admission, Effect, End, Page, PageRequest, Rings, Secret, Session, Tag};
use crate::upstream::{Answered, Asker, Conn, First};
use crate::{convert, refuse, unary};

/// How long a connection tries to say why it ends.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Whether it is a read mark that was to be committed, and what came of it.
pub(super) type Commit = (bool, Result<Committed, Status>);

/// Something that was under way.
pub(super) enum Done {
    Admitted(Result<Admission, Status>),
    Committed(Tag, Commit),
    /// With what was reserved for it.
    Reply(u64, usize, Result<prost_types::Any, Status>),
    Page(PageRequest, Result<Page, Status>),
}

/// See the module.
pub(super) struct Performer {
    pub(super) edge: Arc<Edge>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) work: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) frames_out: Counter,
    flights: Flights,
    calls: Calls,
    /// Links with proposals that are not on their way yet.
    queued: Vec<Arc<Conn>>,
    codec: Codec,
    principal: Option<Arc<Principal>>,
}

impl Performer {
    pub(super) fn new(edge: Arc<Edge>, codec: Codec, carrier: &Carrier) -> Self {
        let inbox = Arc::new(Inbox::new(edge.sessions.number()));
        let frames_out = edge.metrics.frames_out.get_or_create_owned(carrier);
        let (flights, calls, queued) = (Flights::default(), Calls::default(), Vec::new());
        Self { edge, inbox, work: FuturesUnordered::new(), frames_out, flights, calls, queued, codec, principal: None }
    }

    /// Does all effects; returns the end, which is the last of them.
    pub(super) fn perform(&mut self, effects: &mut Vec<Effect>, out: &mut Outbound) -> Option<End> {
        let end = self.perform_all(effects, out);
        // Now that all of them are queued: each link's writer is woken once.
        self.queued.drain(..).for_each(|conn| conn.kick());
        end
    }

    fn perform_all(&mut self, effects: &mut Vec<Effect>, out: &mut Outbound) -> Option<End> {
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(frame) => out.push(self.codec.encode_bounded(*frame)),
                Effect::Ack(tag, committed) => out.push(self.codec.ack(tag, committed)),
                Effect::Event(event) => out.push(event.encoded(self.codec)),
                Effect::Admit(token) => self.admit(token),
                Effect::Propose(proposal) => self.propose(proposal),
                Effect::Call(call) => self.calls.push(call),
                Effect::Page(request) => self.page(request),
                Effect::End(end) => return Some(end),
                effect => self.tell(effect),
            }
        }
        None
    }

    /// Effects that are done at once, for an admitted person.
    fn tell(&self, effect: Effect) {
        let (edge, Some(who)) = (&self.edge, &self.principal) else { return };
        match effect {
            Effect::Attach(room) => edge.attach(room, who.person, &self.inbox),
            Effect::Saw(room, people) => edge.saw(room, people),
            Effect::Detach(room) => edge.hubs.detach(room, self.inbox.session, edge.upstream.as_ref()),
            Effect::Typing(room) => edge.typing(room, who.person),
            Effect::Presence { availability, answer_at_s } => edge.set_presence(who.person, availability, answer_at_s),
            Effect::Refused(status) => edge.refusals.add(who, &status),
            _ => {}
        }
    }

    /// Tells the session of something that is done.
    pub(super) fn done(&mut self, done: Done, session: &mut Session, effects: &mut Vec<Effect>) {
        match done {
            Done::Admitted(answer) => {
                if let Ok(admission) = &answer {
                    self.principal = Some(Arc::new(admission.principal.clone()));
                }
                session.on_admitted(Instant::now(), answer, effects);
            }
            Done::Committed(tag, commit) => self.committed(tag, commit, session, effects),
            Done::Reply(id, reserve, answer) => {
                self.calls.answered(reserve);
                session.on_reply(id, answer, effects);
            }
            Done::Page(request, answer) => session.on_page(Instant::now(), request, answer, effects),
        }
    }

    /// Tells the session what nodes answered its proposals, or tries those again that were not committed.
    pub(super) fn answered(&mut self, answers: Vec<(u32, Answered)>, session: &mut Session, effects: &mut Vec<Effect>) {
        if answers.is_empty() {
            return;
        }
        let now = Instant::now();
        for (number, answer) in answers {
            let Some(flight) = self.flights.take(number) else { continue };
            match answer {
                Answered::Committed(committed) => {
                    self.edge.upstream.submitted(now - flight.started);
                    self.committed(flight.tag, (is_mark(&flight.proposal), Ok(committed)), session, effects);
                }
                Answered::Otherwise(answer) => {
                    let Flight { tag, proposal, started, ticket, span } = flight;
                    self.go_on(tag, proposal, started, ticket.first(*answer), span);
                }
            }
        }
    }

    fn committed(&self, tag: Tag, (mark, answer): Commit, session: &mut Session, effects: &mut Vec<Effect>) {
        if let (true, Ok(committed), Some(who)) = (mark, &answer, &self.principal) {
            self.edge.read(self.inbox.session, who.person, tag.room, committed.seq);
        }
        session.on_committed(tag, answer, effects);
    }

    /// The rings that this session reads.
    pub(super) fn rings(&self) -> impl Rings + use<> {
        HubRings { edge: self.edge.clone(), session: self.inbox.session }
    }

    /// Gives up all that the session held.
    pub(super) fn leave(&mut self, session: &Session) {
        self.flights.drain().for_each(|flight| flight.ticket.conn.forget(flight.ticket.call));
        for room in session.follows().into_iter().flat_map(|follows| follows.rooms()) {
            self.edge.hubs.detach(room, self.inbox.session, self.edge.upstream.as_ref());
        }
        if let Some(person) = self.edge.sessions.leave(self.inbox.session) {
            self.edge.gone(person);
        }
    }

    fn admit(&self, Secret(token): Secret) {
        let (edge, inbox) = (self.edge.clone(), self.inbox.clone());
        self.work.push(Box::pin(async move { Done::Admitted(admit(&edge, inbox, &token).await) }));
    }

    /// Queues a proposal, in the order in which the client sent it.
    fn propose(&mut self, proposal: Proposal) {
        let Some(who) = &self.principal else { return };
        let (tag, started) = (Tag { request: proposal.request, room: proposal.room }, Instant::now());
        let proposal = self.edge.upstream.as_sent(proposal);
        let span = tracing::debug_span!("propose");
        let traceparent = telemetry::traceparent(&span);
        let number = self.flights.number();
        let asker = Asker::Session(self.inbox.clone(), number);
        match self.edge.upstream.submit(who, &proposal, traceparent.as_deref(), started, asker) {
            Ok(ticket) => {
                if !self.queued.iter().any(|conn| Arc::ptr_eq(conn, &ticket.conn)) {
                    self.queued.push(ticket.conn.clone());
                }
                self.flights.put(number, Flight { tag, proposal, started, ticket, span });
            }
            Err(first) => {
                self.flights.take(number);
                self.go_on(tag, proposal, started, first, span);
            }
        }
    }

    /// Tries a proposal again, or tells why not.
    fn go_on(&self, tag: Tag, proposal: Proposal, started: Instant, first: First, span: tracing::Span) {
        let Some(who) = self.principal.clone() else { return };
        let (edge, mark) = (self.edge.clone(), is_mark(&proposal));
        let work =
            async move { Done::Committed(tag, (mark, edge.upstream.go_on(&who, proposal, started, first).await)) };
        self.work.push(Box::pin(work.instrument(span)));
    }

    /// Starts the calls whose answers have room.
    pub(super) fn start_calls(&mut self, out: &Outbound) {
        while let Some((call, reserve)) = self.calls.start(out.bytes()) {
            self.call(call, reserve);
        }
    }

    fn call(&self, call: hansard_proto::v1::Call, reserve: usize) {
        let Some(who) = self.principal.clone() else { return };
        let (edge, session) = (self.edge.clone(), self.inbox.session);
        // Only methods that exist are shown: the others are the caller's text.
        let span = tracing::debug_span!("call", method = unary::method(&call.method).unwrap_or("unknown"));
        let work = async move {
            let answer = unary::call_any(&edge, &who, session, &call.method, call.body).await;
            Done::Reply(call.id, reserve, answer)
        };
        self.work.push(Box::pin(work.instrument(span)));
    }

    fn page(&self, request: PageRequest) {
        let Some(who) = self.principal.clone() else { return };
        let edge = self.edge.clone();
        let work = async move { Done::Page(request, page(&edge, &who, request).await) };
        self.work.push(Box::pin(work.instrument(tracing::debug_span!("replay"))));
    }
}

fn is_mark(proposal: &Proposal) -> bool {
    matches!(proposal.action, Action::MarkRead { .. })
}

async fn admit(edge: &Edge, inbox: Arc<Inbox>, token: &str) -> Result<Admission, Status> {
    let principal = edge.auth.admit(token, &edge.upstream).await?;
    let session = inbox.session;
    edge.sessions.enter(principal.clone(), inbox)?;
    // Once more: a revocation that came meanwhile did not find the session.
    if let Err(error) = edge.auth.check_revoked(&principal, 0) {
        edge.sessions.leave(session);
        return Err(refuse::unauthenticated(error.reason(), &error.to_string()));
    }
    let left_us = principal.expires_s.saturating_mul(1_000_000).saturating_sub(edge.clock.now_us());
    let left = Duration::from_micros(u64::try_from(left_us).unwrap_or(0)).min(Duration::from_secs(10 * 365 * 86_400));
    Ok(Admission {
        expires: Instant::now() + left,
        rate: edge.sessions.rate(principal.person),
        session: session_name(edge, session),
        alternates: edge.directory.alternates(&edge.advertise),
        principal,
    })
}

/// Unique enough to find a session in the logs of all routers.
fn session_name(edge: &Edge, session: u64) -> String {
    format!("{:08x}-{session}", edge.entropy.next_u64() >> 32)
}

async fn page(edge: &Edge, who: &Principal, request: PageRequest) -> Result<Page, Status> {
    let PageRequest { room, after, from_now, .. } = request;
    let call = Call::ReadHistory(ReadHistory {
        room: bytes(room),
        after_seq: after,
        limit: PAGE_ENTRIES,
        limit_bytes: PAGE_BYTES,
        from_now,
        ..ReadHistory::default()
    });
    match edge.upstream.call(Some(who), Target::Room(room), call).await? {
        Outcome::History(page) => Ok(convert::page(room, &page)),
        _ => Err(refuse::wrong_answer().into_status()),
    }
}

struct HubRings {
    edge: Arc<Edge>,
    session: u64,
}

impl Rings for HubRings {
    fn read(&self, room: RoomId, cursor: u64, max: usize) -> Read {
        self.edge.hubs.read(room, self.session, cursor, max)
    }
}
