//! The client: what programs hold.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hansard_proto::{
    any, hot,
    v1::{Call, SetPresence, SetTyping, connect_request, connect_response},
};
use prost::{Message, Name};
use prost_types::Timestamp;
use tokio::{
    sync::{Semaphore, broadcast, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    ClientError, Config, Follow, RequestId, Start,
    core::Core,
    driver::Driver,
    error::Detail,
    id,
    requests::{Answer, Key, Outcome},
};

/// A committed message: fsynced on a quorum and applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The id that the intent was sent with.
    pub request_id: RequestId,
    /// The room's id.
    pub room: String,
    /// The entry's seq in the room.
    pub seq: u64,
    /// The entry's time in the record.
    pub time: Option<Timestamp>,
    /// How often it was sent; more than 1 after a retry.
    pub attempts: u32,
}

/// What a client has seen in its life.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Sessions that stood; 1 if there was no reconnect.
    pub sessions: u64,
    /// Events and gaps that came twice, and were dropped.
    pub doubles: u64,
    /// Holes in followed rooms, each reported as [`crate::Item::Hole`].
    pub holes: u64,
    /// How often a follow paused because its reader was behind.
    pub pauses: u64,
    /// Requests under way now.
    pub in_flight: usize,
}

struct Handle {
    core: Arc<Core>,
    deadline: Duration,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.end(ClientError::Closed);
    }
}

/// A person's session, kept standing. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    /// That of the one intent that this handle is for.
    request: Option<RequestId>,
}

/// Forgets a request whose caller went away.
struct Wanted<'a> {
    core: &'a Core,
    key: Key,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.core.forget(self.key);
    }
}

impl Client {
    /// Opens a session at one of the routers. Fails when the token does not do, or when none of them answers within
    /// `config.connect_deadline`.
    pub async fn connect(config: Config) -> Result<Self, ClientError> {
        let core = Core::new(&config);
        let (connected, standing) = oneshot::channel();
        let last_error = Arc::new(Mutex::new("none answered".to_owned()));
        let deadline = config.connect_deadline;
        let handle = Arc::new(Handle { core: core.clone(), deadline: config.deadline });
        let client = Self { handle, request: None };
        let keeper = core.clone();
        tokio::spawn(async move { keeper.keep_deadlines().await });
        tokio::spawn(Driver::new(core.clone(), config, connected, last_error.clone()).run());
        match tokio::time::timeout(deadline, standing).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(_)) => Err(core.ended().unwrap_or(ClientError::Closed)),
            Err(_) => {
                let why = last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Err(ClientError::Unreachable(why))
            }
        }
    }

    /// The id of the person whose session this is.
    pub fn person(&self) -> String {
        self.core().person()
    }

    /// Says something. Repeats it with one request id until its outcome is known or `config.deadline` passes.
    pub async fn send(&self, room: &str, text: impl Into<String>) -> Result<Receipt, ClientError> {
        let deadline = Instant::now() + self.handle.deadline;
        self.send_with(room, text, self.request_id(), deadline).await
    }

    /// This client for one intent, which may have been begun before: whatever is sent or changed with it has this request id. Another
    /// intent with the same id is refused.
    pub fn with_request_id(&self, id: RequestId) -> Self {
        Self { handle: self.handle.clone(), request: Some(id) }
    }

    /// What the next intent is sent with.
    pub(crate) fn request_id(&self) -> RequestId {
        self.request.unwrap_or_else(RequestId::fresh)
    }

    /// Says something with a given id, which must be new, or that of the same message sent before; until a deadline.
    pub async fn send_with(
        &self,
        room: &str,
        text: impl Into<String>,
        id: RequestId,
        deadline: Instant,
    ) -> Result<Receipt, ClientError> {
        let frame = hot::send(&id.bytes(), room, &text.into()).into();
        let submit = |core: &Core| core.submit(id, frame, deadline);
        let (answer, attempts) = self.settle(&self.core().sends, deadline, submit).await?;
        match answer {
            Answer::Ack { room, seq, time } => Ok(Receipt { request_id: id, room, seq, time, attempts }),
            Answer::Reply(_) => Err(ClientError::Protocol("a send was answered by a reply".into())),
        }
    }

    /// Any unary call, by its gRPC path such as `hansard.v1.RoomService/CreateRoom`. `request_id` is the one in the request,
    /// if it has one; the same request is sent again while its outcome is unknown, until `config.deadline` passes.
    pub async fn call<Request, Response>(
        &self,
        method: &str,
        request: &Request,
        request_id: Option<&str>,
    ) -> Result<Response, ClientError>
    where
        Request: Message + Name,
        Response: Message + Name + Default,
    {
        let deadline = Instant::now() + self.handle.deadline;
        let (method, body) = (method.to_owned(), Some(any::pack(request)));
        let frame = |id| connect_request::Frame::Call(Call { id, method, body });
        let request_id = request_id.map(str::to_owned);
        let submit = |core: &Core| core.submit_call(request_id, frame, deadline);
        match self.settle(&self.core().calls, deadline, submit).await?.0 {
            Answer::Reply(body) => any::unpack(&body).map_err(|error| ClientError::Protocol(error.to_string())),
            Answer::Ack { .. } => Err(ClientError::Protocol("a call was answered by an ack".into())),
        }
    }

    /// Waits for a place among the requests under way, makes the request, and waits for its outcome.
    async fn settle(
        &self,
        slots: &Semaphore,
        deadline: Instant,
        submit: impl FnOnce(&Core) -> Result<(Key, oneshot::Receiver<Outcome>), ClientError>,
    ) -> Outcome {
        let core = self.core();
        let _slot = match slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => match timeout_at(deadline, slots.acquire()).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(_)) => return Err(core.ended().unwrap_or(ClientError::Closed)),
                Err(_) => return Err(too_many()),
            },
        };
        let (key, answer) = submit(core)?;
        let wanted = Wanted { core, key };
        match answer.await {
            Ok(outcome) => {
                // Settled requests are gone from the core already.
                std::mem::forget(wanted);
                outcome
            }
            Err(_) => Err(core.ended().unwrap_or(ClientError::Closed)),
        }
    }

    /// Follows a room. A client follows a room once at a time.
    pub fn follow(&self, room: &str, start: Start) -> Result<Follow, ClientError> {
        let room = id::canonical(room).ok_or_else(|| ClientError::Invalid(format!("{room:?} is no room id")))?;
        let core = self.handle.core.clone();
        let (id, items, shared, buffer) = core.add_follow(&room, start)?;
        Ok(Follow { core, room, id, items, shared, buffer })
    }

    /// Tells a room that the person is typing. Not kept; dropped when no session stands.
    pub fn typing(&self, room: &str) {
        self.core().send_soft(connect_request::Frame::Typing(SetTyping { room: room.to_owned() }));
    }

    /// Tells others whether the person can be reached. Not kept; dropped when no session stands.
    pub fn presence(&self, presence: SetPresence) {
        self.core().send_soft(connect_request::Frame::Presence(presence));
    }

    /// Typing, presence and read-mark frames from now on. A listener that is behind loses the oldest.
    pub fn signals(&self) -> broadcast::Receiver<connect_response::Frame> {
        self.core().signals.subscribe()
    }

    /// What this client has seen.
    pub fn stats(&self) -> Stats {
        let (sessions, counts, in_flight) = self.core().stats();
        Stats { sessions, doubles: counts.doubles, holes: counts.holes, pauses: counts.pauses, in_flight }
    }

    /// Why the client ended, such as by its token's end; `None` while it lives.
    pub fn ended(&self) -> Option<ClientError> {
        self.core().ended()
    }

    /// Ends the session now, for all clones.
    pub fn close(&self) {
        self.core().end(ClientError::Closed);
    }

    fn core(&self) -> &Core {
        &self.handle.core
    }
}

fn too_many() -> ClientError {
    let message = "too many requests were under way until the deadline; nothing was sent";
    ClientError::Refused(Box::new(Detail::local("TOO_MANY_IN_FLIGHT", message)))
}
