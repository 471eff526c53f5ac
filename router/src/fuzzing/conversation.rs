//! A session without anything around it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansard_domain::{PersonId, RoomId};
use hansard_proto::cluster::v1::HistoryPage;
use hansard_proto::v1::{Call, ConnectResponse};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::connection::{Codec, Soft};
use crate::convert;
use crate::hub::Read;
use crate::limits::Rates;
use crate::principal::Principal;
use crate::session::{Admission, Effect, PageRequest, Rings, Session};

/// A client's conversation with a router that has no nodes: frames go in, what the router does comes out.
pub struct Conversation {
    session: Session,
    codec: Codec,
    now: Instant,
    /// Pages that wait for their answer, oldest first.
    pages: VecDeque<PageRequest>,
}

/// Something that a router does for a client.
#[derive(Debug)]
pub enum Deed {
    /// It asks a node for a commit.
    Propose,
    /// It makes a call.
    Call(Call),
    /// It reads a page of a room.
    Page(RoomId),
    /// It tells others of the client's soft state: the frame that they get, but for typing.
    Tell(Option<ConnectResponse>),
    /// It answers with a frame.
    Answer(ConnectResponse),
    /// It ends the session; its last words, if the client is told any.
    End(Option<ConnectResponse>),
}

struct NoRings;

impl Rings for NoRings {
    fn read(&self, _room: RoomId, _cursor: u64, _max: usize) -> Read {
        Read::NotReady
    }
}

impl Conversation {
    /// Before the first frame; `json`: over a WebSocket of that subprotocol, else frames are protobuf. Every token is good.
    pub fn new(json: bool) -> Self {
        let now = Instant::now();
        let codec = if json { Codec::Json } else { Codec::Proto };
        Self { session: Session::new(now, &Rates::default()), codec, now, pages: VecDeque::new() }
    }

    /// The client says something; what the router does.
    pub fn say(&mut self, frame: &[u8]) -> Vec<Deed> {
        let mut effects = Vec::new();
        self.session.on_frame(self.now, self.codec.decode(frame), &mut effects);
        if effects.iter().any(|effect| matches!(effect, Effect::Admit(_))) {
            self.session.on_admitted(self.now, Ok(self.admission()), &mut effects);
        }
        self.deeds(effects)
    }

    /// A node answers with a page what was asked longest ago; nothing if nothing was.
    pub fn page(&mut self, page: &HistoryPage) -> Vec<Deed> {
        let Some(request) = self.pages.pop_front() else { return vec![] };
        let mut effects = Vec::new();
        self.session.on_page(self.now, request, Ok(convert::page(request.room, page)), &mut effects);
        self.deeds(effects)
    }

    fn deeds(&mut self, mut effects: Vec<Effect>) -> Vec<Deed> {
        self.session.pump(usize::MAX, &NoRings, &mut effects);
        effects.into_iter().filter_map(|effect| self.deed(effect)).collect()
    }

    /// The frame as the client is sent it.
    pub fn written(&self, frame: ConnectResponse) -> Vec<u8> {
        frame.frame.map(|frame| self.codec.encode(frame).to_vec()).unwrap_or_default()
    }

    fn admission(&self) -> Admission {
        let principal = Principal {
            person: PersonId::from_bytes([7; 16]),
            epoch: 0,
            operator: false,
            issuer: Arc::from("issuer"),
            token_id: None,
            issued_s: 0,
            expires_s: 4_000_000_000,
        };
        Admission {
            principal,
            expires: self.now + Duration::from_secs(3_600),
            rate: Arc::new(Mutex::new(Bucket::new(u32::MAX, u32::MAX, self.now))),
            session: "session".to_owned(),
            alternates: vec![],
        }
    }

    fn deed(&mut self, effect: Effect) -> Option<Deed> {
        let answer = |frame| ConnectResponse { frame: Some(frame) };
        Some(match effect {
            Effect::Propose(_) => Deed::Propose,
            Effect::Call(call) => Deed::Call(call),
            Effect::Page(request) => {
                self.pages.push_back(request);
                Deed::Page(request.room)
            }
            Effect::Typing(_) => Deed::Tell(None),
            Effect::Presence { availability, answer_at_s } => {
                // As another session of somebody's hears of it: this one will do.
                let soft = Soft::Presence { person: PersonId::from_bytes([8; 16]), availability, answer_at_s };
                let mut told = Vec::new();
                self.session.on_soft(soft, &mut told);
                let frame = told.into_iter().find_map(|effect| match effect {
                    Effect::Send(frame) => Some(*frame),
                    _ => None,
                });
                Deed::Tell(frame.map(answer))
            }
            Effect::Send(frame) => Deed::Answer(answer(*frame)),
            Effect::End(end) => Deed::End(end.farewell().map(answer)),
            Effect::Admit(_)
            | Effect::Attach(_)
            | Effect::Detach(_)
            | Effect::Saw(..)
            | Effect::Refused(_)
            | Effect::Ack(..)
            | Effect::Event(_) => return None,
        })
    }
}
