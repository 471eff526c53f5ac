//! A router in memory, with faults on demand, for this crate's tests.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::Stream;
use hansard_proto::{
    any, status,
    v1::{
        Ack, Call, ConnectRequest, ConnectResponse, Event, Followed, Gap, GetRoomRequest, GetRoomResponse, Hello, Pong,
        Reconnect, Refusal, Reply, Room, Send, Unfollowed, Welcome, connect_request,
        connect_response::Frame,
        reply,
        session_service_server::{SessionService, SessionServiceServer},
    },
};
use tokio::{net::TcpListener, sync::mpsc, sync::watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status, Streaming};

/// Faults to come; each counter is used up.
#[derive(Default)]
pub(crate) struct Faults {
    /// Answer so many sends "unknown" without doing them.
    pub(crate) unknown: u32,
    /// Commit so many sends, then cut the session in the place of the ack.
    pub(crate) lost_acks: u32,
    /// Take sends and never answer.
    pub(crate) silent: bool,
    /// Send every event twice.
    pub(crate) doubles: bool,
    /// Leave this seq out.
    pub(crate) hole: Option<u64>,
    /// Show seqs up to this as a gap.
    pub(crate) gap_to: u64,
    /// Only this token is good.
    pub(crate) token: Option<String>,
    /// Never answer pings, and ask for one each 100 ms.
    pub(crate) mute: bool,
}

#[derive(Default)]
struct World {
    rooms: HashMap<String, Vec<Event>>,
    done: HashMap<String, u64>,
    hellos: Vec<Hello>,
}

pub(crate) struct Fake {
    world: Mutex<World>,
    pub(crate) faults: Mutex<Faults>,
    changed: watch::Sender<u64>,
    /// A frame for all sessions, which end with it; `None` just cuts them.
    cut: watch::Sender<(u64, Option<Reconnect>)>,
}

type Out = mpsc::Sender<Result<ConnectResponse, Status>>;

impl Fake {
    /// Starts a router on loopback; returns it and its URL.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let fake = Arc::new(Self {
            world: Mutex::default(),
            faults: Mutex::default(),
            changed: watch::channel(0).0,
            cut: watch::channel((0, None)).0,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = SessionServiceServer::new(Service(fake.clone()));
        let serving = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        (fake, url)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn events(&self, room: &str) -> Vec<Event> {
        self.world().rooms.get(room).cloned().unwrap_or_default()
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.world().hellos.clone()
    }

    pub(crate) fn cut(&self, with: Option<Reconnect>) {
        self.cut.send_modify(|cut| *cut = (cut.0 + 1, with));
    }

    /// Commits a message, once per request id.
    pub(crate) fn commit(&self, request: &str, room: &str, text: &str) -> u64 {
        let mut world = self.world();
        if let Some(seq) = world.done.get(request) {
            return *seq;
        }
        let events = world.rooms.entry(room.to_owned()).or_default();
        let seq = events.len() as u64 + 1;
        events.push(Event { room: room.into(), seq, kind: "message".into(), text: text.into(), ..Event::default() });
        world.done.insert(request.to_owned(), seq);
        drop(world);
        self.changed.send_modify(|version| *version += 1);
        seq
    }

    /// What to answer a send with; `None` cuts the session.
    fn send(&self, send: Send) -> Option<Vec<Frame>> {
        let mut faults = self.faults.lock().unwrap();
        let refusal = |status| {
            Frame::Refusal(Refusal {
                request_id: send.request_id.clone(),
                room: send.room.clone(),
                status: Some(status),
            })
        };
        if send.text == "forbidden" {
            return Some(vec![refusal(status::new(Code::PermissionDenied, "NOT_ALLOWED", "no"))]);
        }
        if faults.silent {
            return Some(Vec::new());
        }
        if faults.unknown > 0 {
            faults.unknown -= 1;
            return Some(vec![refusal(status::unknown_outcome("no leader"))]);
        }
        let seq = self.commit(&send.request_id, &send.room, &send.text);
        if faults.lost_acks > 0 {
            faults.lost_acks -= 1;
            return None;
        }
        Some(vec![Frame::Ack(Ack { request_id: send.request_id, room: send.room, seq, time: None })])
    }

    fn call(&self, call: &Call) -> Frame {
        let outcome = match (call.method.as_str(), &call.body) {
            ("hansard.v1.RoomService/GetRoom", Some(body)) => {
                let request: GetRoomRequest = any::unpack(body).unwrap();
                let room = Room { id: request.room, ..Room::default() };
                reply::Outcome::Body(any::pack(&GetRoomResponse { room: Some(room) }))
            }
            _ => reply::Outcome::Status(status::new(Code::Unimplemented, "METHOD_UNKNOWN", "no such call")),
        };
        Frame::Reply(Reply { id: call.id, outcome: Some(outcome) })
    }

    /// All that a follow has not got yet.
    fn pump(&self, room: &str, next: &mut u64) -> Vec<Frame> {
        let faults = self.faults.lock().unwrap();
        let mut frames = Vec::new();
        for event in self.events(room).into_iter().skip(*next as usize) {
            *next = event.seq;
            if event.seq <= faults.gap_to {
                frames.push(Frame::Gap(Gap { room: room.into(), from_seq: event.seq, to_seq: event.seq, reason: 2 }));
                continue;
            }
            if faults.hole == Some(event.seq) {
                continue;
            }
            if faults.doubles {
                frames.push(Frame::Event(event.clone()));
            }
            frames.push(Frame::Event(event));
        }
        frames
    }

    async fn session(
        self: Arc<Self>,
        mut frames: Streaming<ConnectRequest>,
        out: Out,
        mut follows: HashMap<String, u64>,
    ) {
        let (mut changed, mut cut) = (self.changed.subscribe(), self.cut.subscribe());
        changed.mark_changed();
        loop {
            let answers = tokio::select! {
                frame = frames.message() => match frame {
                    Ok(Some(ConnectRequest { frame: Some(frame) })) => match self.answer(frame, &mut follows) {
                        Some(answers) => answers,
                        None => return,
                    },
                    _ => return,
                },
                _ = changed.changed() => Vec::new(),
                _ = cut.changed() => {
                    let last = cut.borrow_and_update().1.clone();
                    if let Some(reconnect) = last {
                        let _ = out.send(Ok(frame(Frame::Reconnect(reconnect)))).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    return;
                }
            };
            let mut all = answers;
            for (room, next) in &mut follows {
                all.extend(self.pump(room, next));
            }
            for answer in all {
                if out.send(Ok(frame(answer))).await.is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, request: connect_request::Frame, follows: &mut HashMap<String, u64>) -> Option<Vec<Frame>> {
        use connect_request::Frame as Request;
        Some(match request {
            Request::Hello(hello) => {
                self.world().hellos.push(hello.clone());
                let mute = self.faults.lock().unwrap().mute;
                let ping_interval = mute.then_some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
                let mut answers =
                    vec![Frame::Welcome(Welcome { person: "p".into(), ping_interval, ..Welcome::default() })];
                for cursor in hello.cursors {
                    answers.push(self.followed(&cursor.room, cursor.after_seq, follows));
                }
                answers
            }
            Request::Send(send) => return self.send(send),
            Request::Follow(follow) => {
                let head = self.events(&follow.room).len() as u64;
                let after = if follow.from_now { head } else { follow.after_seq };
                if follow.room.starts_with('f') {
                    let status = Some(status::new(Code::NotFound, "ROOM_UNKNOWN", "no such room"));
                    vec![Frame::Unfollowed(Unfollowed { room: follow.room, status })]
                } else {
                    vec![self.followed(&follow.room, after, follows)]
                }
            }
            Request::Unfollow(unfollow) => {
                follows.remove(&unfollow.room);
                vec![Frame::Unfollowed(Unfollowed { room: unfollow.room, status: None })]
            }
            Request::Ping(_) if self.faults.lock().unwrap().mute => Vec::new(),
            Request::Ping(ping) => vec![Frame::Pong(Pong { nonce: ping.nonce })],
            Request::Call(call) => vec![self.call(&call)],
            _ => Vec::new(),
        })
    }

    fn followed(&self, room: &str, after_seq: u64, follows: &mut HashMap<String, u64>) -> Frame {
        follows.insert(room.to_owned(), after_seq);
        let head_seq = self.events(room).len() as u64;
        Frame::Followed(Followed { room: room.into(), after_seq, head_seq })
    }
}

fn frame(frame: Frame) -> ConnectResponse {
    ConnectResponse { frame: Some(frame) }
}

struct Service(Arc<Fake>);

#[tonic::async_trait]
impl SessionService for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ConnectResponse, Status>> + std::marker::Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut frames = request.into_inner();
        let Some(ConnectRequest { frame: Some(connect_request::Frame::Hello(hello)) }) = frames.message().await? else {
            return Err(status::new(Code::InvalidArgument, "HELLO_MISSING", "the first frame must be hello").into());
        };
        let good = self.0.faults.lock().unwrap().token.clone();
        if good.is_some_and(|good| good != hello.token) {
            return Err(status::new(Code::Unauthenticated, "TOKEN_EXPIRED", "the token has expired").into());
        }
        let (out, responses) = mpsc::channel(8);
        let fake = self.0.clone();
        let mut follows = HashMap::new();
        let welcome = fake.answer(connect_request::Frame::Hello(hello), &mut follows).unwrap();
        tokio::spawn(async move {
            for answer in welcome {
                let _ = out.send(Ok(frame(answer))).await;
            }
            fake.session(frames, out, follows).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}
