//! A person with a session: what a test says and hears.

use std::{collections::VecDeque, time::Duration};

use hansard_proto::{
    rpc::Status,
    status,
    v1::{
        Ack, Call, CreateRoomRequest, CreateRoomResponse, Cursor, Event, Follow, Gap, Hello, InviteMemberRequest,
        InviteMemberResponse, JoinRoomRequest, JoinRoomResponse, Refusal, ResolvePersonRequest, ResolvePersonResponse,
        Role, Room, Send, Visibility, connect_request::Frame as Up, connect_response::Frame as Down, reply::Outcome,
    },
};

use super::{Cluster, Conn, Over, request_id};

/// What comes down a follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Event(Event),
    Gap(Gap),
}

/// A session of one person.
pub struct Person {
    pub conn: Conn,
    /// The person's id.
    pub id: String,
    /// Frames that came while something else was awaited.
    held: VecDeque<Down>,
    next_call: u64,
}

impl Person {
    /// Connects to a router and says hello.
    pub async fn connect(cluster: &Cluster, over: Over, router: usize, subject: &str) -> Person {
        Person::resume(cluster, over, router, subject, &[]).await
    }

    /// Connects with cursors.
    pub async fn resume(
        cluster: &Cluster,
        over: Over,
        router: usize,
        subject: &str,
        cursors: &[(&str, u64)],
    ) -> Person {
        let token = cluster.token(subject);
        let router = &cluster.ready.routers[router];
        let conn = Conn::open(over, router).await;
        Person::hello(conn, token, cursors).await.expect("a session")
    }

    /// Says hello on an open connection.
    pub async fn hello(mut conn: Conn, token: String, cursors: &[(&str, u64)]) -> Result<Person, String> {
        let cursors = cursors.iter().map(|(room, seq)| Cursor { room: (*room).to_owned(), after_seq: *seq }).collect();
        conn.send(Up::Hello(Hello { token, cursors, agent: "system-test/1".to_owned() })).await;
        match conn.recv().await? {
            Down::Welcome(welcome) => Ok(Person { conn, id: welcome.person, held: VecDeque::new(), next_call: 1 }),
            Down::Reconnect(r) => Err(reason(&r.status.unwrap_or_default())),
            other => Err(format!("{other:?} instead of a welcome")),
        }
    }

    /// A unary call over the session.
    pub async fn call<Q, A>(&mut self, method: &str, request: &Q) -> Result<A, Status>
    where
        Q: prost::Message + prost::Name,
        A: prost::Message + Default + prost::Name,
    {
        let id = self.next_call;
        self.next_call += 1;
        let body = Some(status::pack(request));
        self.conn.send(Up::Call(Call { id, method: format!("hansard.v1.{method}"), body })).await;
        let reply = self.until(|frame| match frame {
            Down::Reply(reply) if reply.id == id => Ok(reply),
            other => Err(other),
        });
        match reply.await.outcome.expect("an outcome") {
            Outcome::Body(any) => Ok(status::unpack(&any).expect("a body of the method's response type")),
            Outcome::Status(status) => Err(status),
        }
    }

    /// The first frame that `pick` takes, in order of arrival; the others are held for later.
    async fn until<T>(&mut self, mut pick: impl FnMut(Down) -> Result<T, Down>) -> T {
        for _ in 0..self.held.len() {
            let frame = self.held.pop_front().expect("counted");
            match pick(frame) {
                Ok(got) => {
                    return got;
                }
                Err(other) => self.held.push_back(other),
            }
        }
        loop {
            let frame = self.conn.recv().await.expect("the session stands");
            match pick(frame) {
                Ok(got) => return got,
                Err(other) => self.held.push_back(other),
            }
        }
    }

    pub async fn create_room(&mut self, name: &str, visibility: Visibility) -> Room {
        let request = CreateRoomRequest {
            request_id: request_id(),
            name: name.to_owned(),
            topic: String::new(),
            visibility: visibility.into(),
        };
        let response: CreateRoomResponse = self.call("RoomService/CreateRoom", &request).await.expect("created");
        response.room.expect("a room")
    }

    pub async fn join(&mut self, room: &str) -> u64 {
        let request = JoinRoomRequest { request_id: request_id(), room: room.to_owned() };
        let response: JoinRoomResponse = self.call("RoomService/JoinRoom", &request).await.expect("joined");
        response.commit.expect("a commit").seq
    }

    pub async fn invite(&mut self, room: &str, person: &str, role: Role) -> u64 {
        let request = InviteMemberRequest {
            request_id: request_id(),
            room: room.to_owned(),
            person: person.to_owned(),
            role: role.into(),
        };
        let response: InviteMemberResponse = self.call("RoomService/InviteMember", &request).await.expect("invited");
        response.commit.expect("a commit").seq
    }

    pub async fn resolve(&mut self, subject: &str) -> String {
        let request = ResolvePersonRequest { request_id: request_id(), subject: subject.to_owned(), only_known: false };
        let response: ResolvePersonResponse =
            self.call("PersonService/ResolvePerson", &request).await.expect("resolved");
        response.person.expect("a person").id
    }

    /// Sends with a given request id; the ack or the refusal.
    pub async fn send_with(&mut self, request_id: &str, room: &str, text: &str) -> Result<Ack, Refusal> {
        let send = Send { request_id: request_id.to_owned(), room: room.to_owned(), text: text.to_owned() };
        self.conn.send(Up::Send(send)).await;
        self.until(|frame| match frame {
            Down::Ack(ack) if ack.request_id == request_id => Ok(Ok(ack)),
            Down::Refusal(refusal) if refusal.request_id == request_id => Ok(Err(refusal)),
            other => Err(other),
        })
        .await
    }

    /// Sends, retrying an unknown outcome with the same id.
    pub async fn say(&mut self, room: &str, text: &str) -> Ack {
        let id = request_id();
        loop {
            match self.send_with(&id, room, text).await {
                Ok(ack) => return ack,
                Err(refusal) => {
                    let status = refusal.status.expect("a status");
                    assert!(status::is_unknown_outcome(&status), "refused: {status:?}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    pub async fn follow(&mut self, room: &str, after_seq: u64) {
        self.conn.send(Up::Follow(Follow { room: room.to_owned(), after_seq, from_now: false })).await;
    }

    /// The next event or gap of a room.
    pub async fn next_item(&mut self, room: &str) -> Item {
        self.until(|frame| match frame {
            Down::Event(event) if event.room == room => Ok(Item::Event(event)),
            Down::Gap(gap) if gap.room == room => Ok(Item::Gap(gap)),
            other => Err(other),
        })
        .await
    }

    /// The next event of a room; a gap fails the test.
    pub async fn next_event(&mut self, room: &str) -> Event {
        match self.next_item(room).await {
            Item::Event(event) => event,
            Item::Gap(gap) => panic!("{gap:?} instead of an event"),
        }
    }

    /// The events of a room with the seqs `from..=to`, which must come in order, each once, without a gap.
    pub async fn events(&mut self, room: &str, from: u64, to: u64) -> Vec<Event> {
        let mut got = Vec::new();
        for seq in from..=to {
            let event = self.next_event(room).await;
            assert_eq!(event.seq, seq, "each event once, in order");
            got.push(event);
        }
        got
    }

    /// How a follow of a room was refused, or ended.
    pub async fn unfollowed(&mut self, room: &str) -> Option<Status> {
        self.until(|frame| match frame {
            Down::Unfollowed(end) if end.room == room => Ok(end.status),
            Down::Refusal(refusal) if refusal.room == room && refusal.request_id.is_empty() => Ok(refusal.status),
            other => Err(other),
        })
        .await
    }

    /// A frame that `pick` takes.
    pub async fn frame<T>(&mut self, mut pick: impl FnMut(&Down) -> Option<T>) -> T {
        self.until(|frame| pick(&frame).ok_or(frame)).await
    }

    /// Everything that was heard of a room and not yet taken, after a round trip that proves that nothing older is under way.
    pub async fn heard(&mut self, room: &str) -> Vec<Item> {
        let nonce = self.next_call;
        self.next_call += 1;
        self.conn.send(Up::Ping(hansard_proto::v1::Ping { nonce })).await;
        self.frame(|frame| matches!(frame, Down::Pong(p) if p.nonce == nonce).then_some(())).await;
        let mut items = Vec::new();
        self.held.retain(|frame| match frame {
            Down::Event(event) if event.room == room => {
                items.push(Item::Event(event.clone()));
                false
            }
            Down::Gap(gap) if gap.room == room => {
                items.push(Item::Gap(gap.clone()));
                false
            }
            _ => true,
        });
        items
    }
}

/// The ErrorInfo reason of a status.
pub fn reason(status: &Status) -> String {
    status::reason_of(status).unwrap_or_default().to_owned()
}
