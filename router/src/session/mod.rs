//! A person's conversation, whatever carries it. Sans-IO: frames, answers, news and time go in, [`Effect`]s come out.
//!
//! ```text
//! new ──hello──▶ admitting ──on_admitted──▶ open ──end──▶ over
//! ```

mod effect;
mod follow;
mod frames;
mod owed;
#[cfg(test)]
mod rate_tests;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hansard_domain::limits::MAX_FRAME_BYTES;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{self, ConnectRequest, Refusal, Reply, Welcome, connect_request, reply};
use tokio::time::Instant;
use tonic::Code;

pub(crate) use effect::{Admission, Effect, End, Item, Page, PageRequest, Rings, Secret, Tag};
pub(crate) use follow::Follows;

use crate::bucket::Bucket;
use crate::connection::{Asked, Soft};
use crate::convert;
use crate::limits::{FOLLOW_COST, HELLO_TIMEOUT, IDLE_TIMEOUT, MAX_MALFORMED, PING_INTERVAL, Rates};
use crate::proposal::{Committed, Proposal};
use crate::{fields, reason, refuse};
use owed::Owed;

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// Larger than a frame may be; the rest of the stream cannot be trusted to be read.
    TooLarge,
    /// No `ConnectRequest`.
    Malformed(String),
    /// Nothing that can be read after it.
    Broken(String),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    bucket: Bucket,
    heard: Instant,
    malformed: u32,
}

#[derive(Debug)]
enum State {
    /// A hello must come by then.
    New(Instant),
    /// The token is being checked.
    Admitting(Vec<v1::Cursor>),
    Open(Box<Open>),
    Over,
}

/// What an open session knows.
#[derive(Debug)]
struct Open {
    admission: Admission,
    follows: Follows,
    owed: Owed,
    sends: usize,
    calls: usize,
}

impl Session {
    /// A new connection's session.
    pub(crate) fn new(now: Instant, rates: &Rates) -> Self {
        let bucket = Bucket::new(rates.session_per_second, rates.session_burst, now);
        Self { state: State::New(now + HELLO_TIMEOUT), bucket, heard: now, malformed: 0 }
    }

    /// The followed rooms, to be detached when the connection goes.
    pub(crate) fn follows(&self) -> Option<&Follows> {
        match &self.state {
            State::Open(open) => Some(&open.follows),
            _ => None,
        }
    }

    /// Whether it has ended.
    #[cfg(test)]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// A frame came from the client, or something that is none.
    pub(crate) fn on_frame(&mut self, now: Instant, frame: Result<Asked, FrameFault>, out: &mut Vec<Effect>) {
        self.heard = now;
        let frame = match frame {
            Ok(Asked::Send(send)) => return self.on_send(now, send, out),
            Ok(Asked::Frame(ConnectRequest { frame: Some(frame) })) => frame,
            Ok(Asked::Frame(ConnectRequest { frame: None })) => {
                return self.on_malformed("the frame holds nothing".into(), out);
            }
            Err(FrameFault::Malformed(why)) => return self.on_malformed(why, out),
            Err(FrameFault::Broken(why)) => {
                return self.end(Some(refuse::frame(reason::FRAME_MALFORMED, why)), None, out);
            }
            Err(FrameFault::TooLarge) => {
                let text = format!("a frame may have at most {MAX_FRAME_BYTES} bytes");
                let metadata = [("limit", MAX_FRAME_BYTES.to_string())];
                let too_large = status::with_metadata(Code::InvalidArgument, reason::FRAME_TOO_LARGE, text, metadata);
                return self.end(Some(too_large), None, out);
            }
        };
        match &mut self.state {
            State::New(_) => self.on_first(frame, out),
            State::Admitting(_) => self.end(Some(early()), None, out),
            State::Open(_) if matches!(frame, connect_request::Frame::Hello(_)) => {
                let twice = refuse::frame(reason::FRAME_OUT_OF_ORDER, "a session has one `hello`, its first frame");
                self.end(Some(twice), None, out);
            }
            State::Open(open) => match paced(&mut self.bucket, open, cost(&frame), now) {
                Ok(()) => {
                    open.owed.heed(&frame);
                    open.on_frame(frame, out);
                }
                Err(wait) => frames::refuse(&frame, refuse::rate_limited(wait), out),
            },
            State::Over => {}
        }
    }

    fn on_send(&mut self, now: Instant, send: Proposal, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::New(_) => self.end(Some(hello_expected()), None, out),
            State::Admitting(_) => self.end(Some(early()), None, out),
            State::Open(open) => match paced(&mut self.bucket, open, 1, now) {
                Ok(()) => open.on_send(send, out),
                Err(wait) => frames::refuse_send(&send, refuse::rate_limited(wait), out),
            },
            State::Over => {}
        }
    }

    /// The client will say nothing more.
    pub(crate) fn on_closed(&mut self, out: &mut Vec<Effect>) {
        self.end(None, None, out);
    }

    /// The token was checked.
    pub(crate) fn on_admitted(&mut self, now: Instant, answer: Result<Admission, Status>, out: &mut Vec<Effect>) {
        let State::Admitting(cursors) = &mut self.state else { return };
        let cursors = std::mem::take(cursors);
        let admission = match answer {
            Ok(admission) if admission.expires > now => admission,
            Ok(_) => return self.end(Some(expired()), None, out),
            Err(status) => {
                let after = status::retry_after(&status);
                return self.end(Some(status), after, out);
            }
        };
        let principal = &admission.principal;
        let welcome = Welcome {
            person: principal.person.to_string(),
            session: admission.session.clone(),
            alternates: admission.alternates.clone(),
            ping_interval: Some(convert::duration(PING_INTERVAL)),
            expires: Some(convert::timestamp_s(principal.expires_s)),
        };
        out.push(Effect::Send(Box::new(Frame::Welcome(welcome))));
        let (follows, owed) = (Follows::default(), Owed::default());
        let mut open = Open { admission, follows, owed, sends: 0, calls: 0 };
        for v1::Cursor { room, after_seq } in cursors {
            match fields::room(&room) {
                Ok(room) => open.owed.push(room, after_seq),
                // It is refused, which costs no page.
                Err(_) => open.follow(v1::Follow { room, after_seq, from_now: false }, out),
            }
        }
        open.resume(&mut self.bucket, now, out);
        self.state = State::Open(Box::new(open));
    }

    /// A send or a read mark was committed, or not.
    pub(crate) fn on_committed(&mut self, tag: Tag, answer: Result<Committed, Status>, out: &mut Vec<Effect>) {
        let State::Open(open) = &mut self.state else { return };
        open.sends -= 1;
        out.push(match answer {
            Ok(committed) => Effect::Ack(tag, committed),
            Err(status) => {
                let (request_id, room) = (tag.request.to_string(), tag.room.to_string());
                Effect::Send(Box::new(Frame::Refusal(Refusal { request_id, room, status: Some(status) })))
            }
        });
    }

    /// A call was answered.
    pub(crate) fn on_reply(&mut self, id: u64, answer: Result<prost_types::Any, Status>, out: &mut Vec<Effect>) {
        let State::Open(open) = &mut self.state else { return };
        open.calls -= 1;
        let outcome = match answer {
            Ok(body) => reply::Outcome::Body(body),
            Err(status) => reply::Outcome::Status(status),
        };
        out.push(Effect::Send(Box::new(Frame::Reply(Reply { id, outcome: Some(outcome) }))));
    }

    /// A page of history came, or not.
    pub(crate) fn on_page(
        &mut self,
        now: Instant,
        request: PageRequest,
        answer: Result<Page, Status>,
        out: &mut Vec<Effect>,
    ) {
        if let State::Open(open) = &mut self.state {
            open.follows.page(request, answer, now, out);
        }
    }

    /// A followed room has news.
    pub(crate) fn on_news(&mut self, room: hansard_domain::RoomId) {
        if let State::Open(open) = &mut self.state {
            open.follows.news(room);
        }
    }

    /// Soft state came.
    pub(crate) fn on_soft(&mut self, soft: Soft, out: &mut Vec<Effect>) {
        if let State::Open(open) = &self.state
            && let Some(frame) = open.soft(soft)
        {
            out.push(Effect::Send(Box::new(frame)));
        }
    }

    /// Nothing is read from the client at present, so that its silence says nothing.
    pub(crate) fn excuse_silence(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Time passed.
    pub(crate) fn on_tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let over = match &mut self.state {
            State::New(by) if now >= *by => Some(refuse::frame(reason::HELLO_MISSING, "no `hello` came within 10 s")),
            State::Open(open) if now >= open.admission.expires => Some(expired()),
            State::Open(_) if now >= self.heard + IDLE_TIMEOUT => {
                Some(status::new(Code::DeadlineExceeded, reason::IDLE, "nothing was heard for three ping intervals"))
            }
            State::Open(open) => {
                open.follows.tick(now);
                open.resume(&mut self.bucket, now, out);
                None
            }
            _ => None,
        };
        if over.is_some() {
            self.end(over, None, out);
        }
    }

    /// When `on_tick` is due.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        match &self.state {
            State::New(by) => Some(*by),
            State::Open(open) => {
                let ends = [open.admission.expires, self.heard + IDLE_TIMEOUT];
                ends.into_iter().chain(open.follows.next_tick()).chain(open.owed.due()).min()
            }
            State::Admitting(_) | State::Over => None,
        }
    }

    /// Delivers at most about `budget` live entries and asks for pages; call it while the client takes frames.
    pub(crate) fn pump(&mut self, budget: usize, rings: &dyn Rings, out: &mut Vec<Effect>) {
        if let State::Open(open) = &mut self.state {
            open.follows.pump(open.admission.principal.person, budget, rings, out);
        }
    }

    /// Ends the session. `after`: how long the client should wait before it comes back.
    pub(crate) fn end(&mut self, status: Option<Status>, after: Option<Duration>, out: &mut Vec<Effect>) {
        let welcomed = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return,
            State::Open(open) => {
                out.extend(open.follows.rooms().map(Effect::Detach));
                true
            }
            State::New(_) | State::Admitting(_) => false,
        };
        out.push(Effect::End(End { status, after, welcomed }));
    }

    fn on_first(&mut self, frame: connect_request::Frame, out: &mut Vec<Effect>) {
        let connect_request::Frame::Hello(hello) = frame else {
            return self.end(Some(hello_expected()), None, out);
        };
        match frames::check_hello(&hello) {
            Ok(()) => {
                self.state = State::Admitting(hello.cursors);
                out.push(Effect::Admit(Secret(hello.token)));
            }
            Err(status) => self.end(Some(status), None, out),
        }
    }

    fn on_malformed(&mut self, why: String, out: &mut Vec<Effect>) {
        self.malformed += 1;
        let status = refuse::frame(reason::FRAME_MALFORMED, why);
        match &self.state {
            State::Open(_) if self.malformed <= MAX_MALFORMED => {
                out.push(Effect::Refused(status.clone()));
                let refusal = Refusal { status: Some(status), ..Refusal::default() };
                out.push(Effect::Send(Box::new(Frame::Refusal(refusal))));
            }
            State::Open(_) => {
                let text = format!("more than {MAX_MALFORMED} malformed frames in one session");
                self.end(Some(refuse::frame(reason::TOO_MANY_MALFORMED, text)), None, out);
            }
            _ => self.end(Some(status), None, out),
        }
    }
}

impl Open {
    /// Starts the follows of the hello's cursors, as far as they can be paid.
    fn resume(&mut self, bucket: &mut Bucket, now: Instant, out: &mut Vec<Effect>) {
        loop {
            let rate = &self.admission.rate;
            let Some((room, after_seq)) = self.owed.next(now, || take(bucket, rate, FOLLOW_COST, now)) else { break };
            self.follow(v1::Follow { room: room.to_string(), after_seq, from_now: false }, out);
        }
    }
}

/// The token's time is over.
pub(crate) fn expired() -> Status {
    refuse::unauthenticated(reason::TOKEN_EXPIRED, "the token has expired; come back with a new one")
}

fn hello_expected() -> Status {
    refuse::frame(reason::HELLO_EXPECTED, "the first frame must be `hello`, with a token")
}

fn early() -> Status {
    refuse::frame(reason::FRAME_OUT_OF_ORDER, "wait for `welcome` before the next frame")
}

/// A follow has a page read, which costs a node as much as several sends.
fn cost(frame: &connect_request::Frame) -> u32 {
    match frame {
        connect_request::Frame::Follow(_) => FOLLOW_COST,
        _ => 1,
    }
}

fn paced(bucket: &mut Bucket, open: &Open, cost: u32, now: Instant) -> Result<(), Duration> {
    take(bucket, &open.admission.rate, cost, now)
}

/// Takes from the session's bucket and the person's, or from neither.
fn take(bucket: &mut Bucket, of_person: &Mutex<Bucket>, cost: u32, now: Instant) -> Result<(), Duration> {
    bucket.take(cost, now)?;
    let taken = of_person.lock().unwrap_or_else(PoisonError::into_inner).take(cost, now);
    taken.inspect_err(|_| bucket.give(cost))
}
