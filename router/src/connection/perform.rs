//! Does what a session wants done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hansard_domain::{PersonId, RoomId};
use hansard_proto::cluster::v1::ReadHistory;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::convert::bytes;
use hansard_proto::rpc::Status;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tracing::Instrument;

use super::{Codec, Inbox, Outbound};
use crate::directory::Target;
use crate::edge::Edge;
use crate::hub::Read;
use crate::limits::{PAGE_BYTES, PAGE_ENTRIES};
use crate::metrics::Carrier;
use crate::principal::Principal;
use crate::proposal::{Committed, Proposal};
use crate::session::{Admission, Effect, End, Item, Page, PageRequest, Rings, Secret, Session, Tag};
use crate::{convert, refuse, unary};

/// How long a connection tries to say why it ends.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Something that was under way.
pub(super) enum Done {
    Admitted(Result<Admission, Status>),
    Committed { tag: Tag, mark: bool, answer: Result<Committed, Status> },
    Reply(u64, Result<prost_types::Any, Status>),
    Page(PageRequest, Result<Page, Status>),
}

/// See the module.
pub(super) struct Performer {
    pub(super) edge: Arc<Edge>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) work: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) frames_out: Counter,
    codec: Codec,
    principal: Option<Arc<Principal>>,
}

impl Performer {
    pub(super) fn new(edge: Arc<Edge>, codec: Codec, carrier: &Carrier) -> Self {
        let inbox = Arc::new(Inbox::new(edge.sessions.number()));
        let frames_out = edge.metrics.frames_out.get_or_create_owned(carrier);
        Self { edge, inbox, work: FuturesUnordered::new(), frames_out, codec, principal: None }
    }

    /// Does all effects; returns the end, which is the last of them.
    pub(super) fn perform(&mut self, effects: &mut Vec<Effect>, out: &mut Outbound) -> Option<End> {
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(frame) => out.push(self.codec.encode(*frame)),
                Effect::Event(event) => out.push(event.encoded(self.codec)),
                Effect::Admit(token) => self.admit(token),
                Effect::Propose(proposal) => self.propose(proposal),
                Effect::Call(call) => self.call(call),
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
            Done::Committed { tag, mark, answer } => {
                if let (true, Ok(committed), Some(who)) = (mark, &answer, &self.principal) {
                    self.edge.read(self.inbox.session, who.person, tag.room, committed.seq);
                }
                session.on_committed(tag, answer, effects);
            }
            Done::Reply(id, answer) => session.on_reply(id, answer, effects),
            Done::Page(request, answer) => {
                let (room, authors) = (request.room, answer.as_ref().map(authors).unwrap_or_default());
                session.on_page(Instant::now(), request, answer, effects);
                // Last, since the first page is what attaches the session to the room.
                effects.push(Effect::Saw(room, authors));
            }
        }
    }

    /// The rings that this session reads.
    pub(super) fn rings(&self) -> impl Rings + use<> {
        HubRings { edge: self.edge.clone(), session: self.inbox.session }
    }

    /// Gives up all that the session held.
    pub(super) fn leave(&self, session: &Session) {
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

    fn propose(&self, proposal: Proposal) {
        let Some(who) = self.principal.clone() else { return };
        let edge = self.edge.clone();
        let tag = Tag { request: proposal.request, room: proposal.room };
        let mark = matches!(proposal.action, hansard_domain::Action::MarkRead { .. });
        let work = async move { Done::Committed { tag, mark, answer: edge.upstream.propose(&who, proposal).await } };
        self.work.push(Box::pin(work.instrument(tracing::debug_span!("propose"))));
    }

    fn call(&self, call: hansard_proto::v1::Call) {
        let Some(who) = self.principal.clone() else { return };
        let (edge, session) = (self.edge.clone(), self.inbox.session);
        // Only methods that exist are shown: the others are the caller's text.
        let span = tracing::debug_span!("call", method = unary::method(&call.method).unwrap_or("unknown"));
        let work = async move {
            let answer = unary::call_any(&edge, &who, session, &call.method, call.body).await;
            Done::Reply(call.id, answer)
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

fn authors(page: &Page) -> Vec<PersonId> {
    let author = |item: &Item| match item {
        Item::Event(event) => event.sender.parse().ok(),
        Item::Gap { .. } => None,
    };
    page.items.iter().filter_map(author).collect()
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
