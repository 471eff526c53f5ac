//! The client's state, shared by its handles, the driver and the outgoing stream. No IO happens here.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hansard_proto::{
    hot::AckFrame,
    rpc::Status,
    status,
    v1::{Ack, ConnectRequest, Cursor, Reconnect, Welcome, connect_request, connect_response, reply},
};
use prost::{Message, bytes::Bytes};
use tokio::{
    sync::{Notify, Semaphore, broadcast, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tonic::Code;

use crate::{
    ClientError, Config, Item, RequestId, Start,
    follow::Shared,
    follows::{Counts, Ended, Follows},
    requests::{Answer, Key, Outcome, Requests},
};

/// How many frames without an answer (typing, presence) may wait; more are dropped, since they are worth little later.
const SOFT_FRAMES: usize = 256;
/// How many soft events wait for a slow listener before the oldest are dropped.
const SIGNALS: usize = 256;

enum Out {
    Request(Key),
    Frame(connect_request::Frame),
}

enum Retry {
    Request(Key),
    Follow(String),
}

/// What a frame asks of the driver.
#[derive(Debug)]
pub(crate) enum Control {
    /// Reconnect as the server says.
    Reconnect(Reconnect),
    /// The frame broke the protocol.
    Broken(&'static str),
}

#[derive(Default)]
struct State {
    /// Which session the outgoing stream may serve.
    generation: u64,
    online: bool,
    /// Whether the driver looks out for a silent router more often than by pings.
    watched: bool,
    ended: Option<ClientError>,
    person: String,
    /// Bounded by requests under way, follows, and [`SOFT_FRAMES`].
    outbox: VecDeque<Out>,
    waker: Option<Waker>,
    requests: Requests,
    follows: Follows,
    retries: BTreeMap<(Instant, u64), Retry>,
    retries_made: u64,
    calls_made: u64,
    sessions: u64,
}

/// See the module.
pub(crate) struct Core {
    state: Mutex<State>,
    /// Bounds the sends under way.
    pub(crate) sends: Semaphore,
    /// Bounds the calls under way.
    pub(crate) calls: Semaphore,
    /// Wakes the driver when the client is closed, and when it should watch the session closely.
    pub(crate) attention: Notify,
    /// Wakes the keeper of deadlines when the client is closed, and when one is due sooner than it knows.
    deadlines: Notify,
    pub(crate) signals: broadcast::Sender<connect_response::Frame>,
    max_follows: usize,
    follow_buffer: usize,
}

impl Core {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            sends: Semaphore::new(config.max_sends.max(1)),
            calls: Semaphore::new(config.max_calls.max(1)),
            attention: Notify::new(),
            deadlines: Notify::new(),
            signals: broadcast::channel(SIGNALS).0,
            max_follows: config.max_follows,
            follow_buffer: config.follow_buffer.max(4),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a request. It is sent now, or when the next session stands.
    pub(crate) fn submit(
        &self,
        id: RequestId,
        frame: Bytes,
        deadline: Instant,
    ) -> Result<(Key, oneshot::Receiver<Outcome>), ClientError> {
        let state = self.lock();
        state.check_open()?;
        self.ask(state, Key::Frame(id), frame, None, deadline)
    }

    /// Makes a call. `frame` gets the call's number.
    pub(crate) fn submit_call(
        &self,
        request_id: Option<String>,
        frame: impl FnOnce(u64) -> connect_request::Frame,
        deadline: Instant,
    ) -> Result<(Key, oneshot::Receiver<Outcome>), ClientError> {
        let mut state = self.lock();
        state.check_open()?;
        state.calls_made += 1;
        let key = Key::Call(state.calls_made);
        let frame = encode(frame(state.calls_made));
        self.ask(state, key, frame, request_id, deadline)
    }

    fn ask(
        &self,
        mut state: MutexGuard<'_, State>,
        key: Key,
        frame: Bytes,
        request_id: Option<String>,
        deadline: Instant,
    ) -> Result<(Key, oneshot::Receiver<Outcome>), ClientError> {
        let answer = state.requests.insert(key, frame, request_id, deadline)?;
        state.send(Out::Request(key));
        self.watch(&mut state);
        let sooner = state.requests.is_sooner(deadline);
        drop(state);
        if sooner {
            self.deadlines.notify_one();
        }
        Ok((key, answer))
    }

    /// Gives up requests whose deadlines pass, until the client ends.
    pub(crate) async fn keep_deadlines(&self) {
        loop {
            let due = {
                let mut state = self.lock();
                if state.ended.is_some() {
                    return;
                }
                state.requests.expire_due(Instant::now())
            };
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.deadlines.notified() => {}
            }
        }
    }

    pub(crate) fn forget(&self, key: Key) {
        self.lock().requests.forget(key);
    }

    /// Sends a frame that has no answer, if a session stands and is not behind.
    pub(crate) fn send_soft(&self, frame: connect_request::Frame) {
        let mut state = self.lock();
        if state.outbox.len() < SOFT_FRAMES {
            state.send(Out::Frame(frame));
        }
    }

    pub(crate) fn add_follow(
        &self,
        room: &str,
        start: Start,
    ) -> Result<(u64, mpsc::Receiver<Item>, Arc<Shared>, usize), ClientError> {
        let mut state = self.lock();
        state.check_open()?;
        let (id, items, shared) = state.follows.add(room, start, self.follow_buffer, self.max_follows)?;
        if state.online {
            let frame = state.follows.ask(room);
            state.send_frame(frame);
        }
        Ok((id, items, shared, self.follow_buffer))
    }

    pub(crate) fn resume_follow(&self, room: &str, id: u64) {
        let mut state = self.lock();
        let online = state.online;
        let frame = state.follows.caught_up(room, id, online);
        state.send_frame(frame);
    }

    pub(crate) fn end_follow(&self, room: &str, id: u64) {
        let mut state = self.lock();
        let frame = state.follows.remove(room, id);
        state.send_frame(frame);
    }

    /// Ends the client for good, once; the first cause stays.
    pub(crate) fn end(&self, cause: ClientError) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.requests.end(&cause);
            state.follows.end(&cause);
            state.ended = Some(cause);
        }
        state.next_generation();
        drop(state);
        self.sends.close();
        self.calls.close();
        self.attention.notify_one();
        self.deadlines.notify_one();
    }

    /// A request waits for an answer: a router that falls silent now must be found out soon.
    fn watch(&self, state: &mut State) {
        if !state.watched {
            state.watched = true;
            self.attention.notify_one();
        }
    }

    /// Whether requests wait for answers, which is why the session is watched closely. If not, it no longer is.
    pub(crate) fn still_watched(&self) -> bool {
        let mut state = self.lock();
        state.watched = state.requests.len() > 0;
        state.watched
    }

    /// Returns when the client has ended.
    pub(crate) async fn closed(&self) {
        while self.ended().is_none() {
            self.attention.notified().await;
        }
    }

    /// Why the client ended, if it has.
    pub(crate) fn ended(&self) -> Option<ClientError> {
        self.lock().ended.clone()
    }

    /// The person's id, once a session has stood.
    pub(crate) fn person(&self) -> String {
        self.lock().person.clone()
    }

    /// Sessions that stood, follow counts, requests under way.
    pub(crate) fn stats(&self) -> (u64, Counts, usize) {
        let state = self.lock();
        (state.sessions, state.follows.counts, state.requests.len())
    }

    /// Begins a session: its number and the cursors for its hello.
    pub(crate) fn begin(&self) -> (u64, Vec<Cursor>) {
        let mut state = self.lock();
        state.next_generation();
        let cursors = state.follows.cursors();
        (state.generation, cursors)
    }

    /// The session stands: everything under way is sent again, in its order.
    pub(crate) fn welcome(&self, welcome: &Welcome) {
        let mut state = self.lock();
        state.online = true;
        state.sessions += 1;
        state.person.clone_from(&welcome.person);
        state.retries.clear();
        for frame in state.follows.ask_rest() {
            state.outbox.push_back(Out::Frame(frame));
        }
        for key in state.requests.keys_in_order() {
            state.outbox.push_back(Out::Request(key));
        }
        state.wake();
    }

    /// The session is gone.
    pub(crate) fn offline(&self) {
        self.lock().next_generation();
    }

    /// When the next retry is due, and whether the session is watched closely.
    pub(crate) fn timers(&self) -> (Option<Instant>, bool) {
        let state = self.lock();
        let retry = state.retries.first_key_value().map(|((at, _), _)| *at);
        (retry, state.watched)
    }

    /// Sends again what is due.
    pub(crate) fn retry_due(&self, now: Instant) {
        let mut state = self.lock();
        while let Some(first) = state.retries.first_entry() {
            if first.key().0 > now {
                break;
            }
            match first.remove() {
                Retry::Request(key) => state.send(Out::Request(key)),
                Retry::Follow(room) => {
                    let frame = state.follows.ask(&room);
                    state.send_frame(frame);
                }
            }
        }
    }

    /// The next frame for the session of this number; ends when the session is over.
    pub(crate) fn poll_outgoing(&self, generation: u64, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        if state.generation != generation {
            return Poll::Ready(None);
        }
        while let Some(out) = state.outbox.pop_front() {
            let frame = match out {
                Out::Frame(frame) => Some(encode(frame)),
                Out::Request(key) => state.requests.render(key),
            };
            if frame.is_some() {
                return Poll::Ready(frame);
            }
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes an ack of the server's.
    pub(crate) fn acked(&self, ack: &AckFrame<'_>) {
        let AckFrame { request, room, seq, time } = *ack;
        let key = Key::Frame(RequestId::of_bytes(request.as_bytes()));
        let answer = Answer::Ack { room: room.to_owned(), seq, time: Some(time) };
        self.lock().requests.settle(key, answer);
    }

    /// Takes a frame of the server's.
    pub(crate) fn receive(&self, frame: connect_response::Frame) -> Option<Control> {
        use connect_response::Frame;
        let mut state = self.lock();
        match frame {
            Frame::Ack(Ack { request_id, room, seq, time }) => match request_id.parse::<RequestId>() {
                Ok(id) => state.requests.settle(Key::Frame(id), Answer::Ack { room, seq, time }),
                Err(_) => return Some(Control::Broken("an ack without a request id")),
            },
            Frame::Refusal(refusal) => {
                let status = refusal.status.unwrap_or_else(no_reason);
                match refusal.request_id.parse::<RequestId>() {
                    Ok(id) => state.fail(Key::Frame(id), status),
                    Err(_) => state.follow_ended(&refusal.room, Some(&status)),
                }
            }
            Frame::Reply(reply) => state.reply(reply.id, reply.outcome),
            Frame::Event(event) => {
                let pause = state.follows.event(event);
                state.send_frame(pause);
            }
            Frame::Gap(gap) => {
                let pause = state.follows.gap(gap);
                state.send_frame(pause);
            }
            Frame::Followed(followed) => state.follows.followed(&followed),
            Frame::Unfollowed(ended) => state.follow_ended(&ended.room, ended.status.as_ref()),
            Frame::Reconnect(reconnect) => return Some(Control::Reconnect(reconnect)),
            Frame::Welcome(_) => return Some(Control::Broken("a second welcome")),
            Frame::Pong(_) => {}
            signal @ (Frame::Typing(_) | Frame::Presence(_) | Frame::ReadMark(_)) => {
                drop(state);
                // Nobody listening is fine.
                let _ = self.signals.send(signal);
            }
        }
        None
    }
}

impl State {
    fn check_open(&self) -> Result<(), ClientError> {
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn send(&mut self, out: Out) {
        if self.online {
            self.outbox.push_back(out);
            self.wake();
        }
    }

    fn send_frame(&mut self, frame: Option<connect_request::Frame>) {
        if let Some(frame) = frame {
            self.send(Out::Frame(frame));
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn next_generation(&mut self) {
        self.generation += 1;
        self.online = false;
        self.outbox.clear();
        self.retries.clear();
        self.follows.offline();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn retry_in(&mut self, delay: Duration, retry: Retry) {
        self.retries_made += 1;
        self.retries.insert((Instant::now() + delay, self.retries_made), retry);
    }

    fn fail(&mut self, key: Key, error: Status) {
        if let Some(delay) = self.requests.fail(key, error) {
            self.retry_in(delay, Retry::Request(key));
        }
    }

    fn reply(&mut self, id: u64, outcome: Option<reply::Outcome>) {
        let key = Key::Call(id);
        match outcome {
            Some(reply::Outcome::Body(body)) => self.requests.settle(key, Answer::Reply(body)),
            Some(reply::Outcome::Status(status)) => self.fail(key, status),
            None => self.requests.reject(key, ClientError::Protocol("a reply without an outcome".into())),
        }
    }

    fn follow_ended(&mut self, room: &str, why: Option<&Status>) {
        match self.follows.unfollowed(room, why) {
            Ended::Settled => {}
            Ended::Ask(frame) => self.send(Out::Frame(frame)),
            Ended::Later(delay) => self.retry_in(delay, Retry::Follow(room.to_owned())),
        }
    }
}

fn encode(frame: connect_request::Frame) -> Bytes {
    ConnectRequest { frame: Some(frame) }.encode_to_vec().into()
}

fn no_reason() -> Status {
    status::new(Code::Internal, "INTERNAL", "the server refused without a reason")
}
