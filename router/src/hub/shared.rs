//! An entry on its way to many followers: encoded once for each codec.

use std::sync::OnceLock;

use bytes::Bytes;
use hansard_domain::PersonId;
use hansard_proto::json;
use hansard_proto::v1::{ConnectResponse, Event, connect_response::Frame};
use prost::Message;

use crate::connection::Codec;

/// One entry of a room, ready to be sent.
#[derive(Debug)]
pub(crate) struct SharedEvent {
    /// Its seq.
    pub(crate) seq: u64,
    /// The person who did it; `None` for the system.
    pub(crate) actor: Option<PersonId>,
    /// The person whose membership it ends.
    pub(crate) ends: Option<PersonId>,
    proto: Bytes,
    json: OnceLock<Bytes>,
}

impl SharedEvent {
    /// Encodes an event; `ends` names the person whose membership it ends.
    pub(crate) fn new(event: Event, actor: Option<PersonId>, ends: Option<PersonId>) -> Self {
        let seq = event.seq;
        let frame = ConnectResponse { frame: Some(Frame::Event(event)) };
        Self { seq, actor, ends, proto: frame.encode_to_vec().into(), json: OnceLock::new() }
    }

    /// The encoded frame, shared by all who ask.
    pub(crate) fn encoded(&self, codec: Codec) -> Bytes {
        match codec {
            Codec::Proto => self.proto.clone(),
            Codec::Json => self.json.get_or_init(|| self.to_json()).clone(),
        }
    }

    /// What it costs to keep, bytes.
    pub(crate) fn cost(&self) -> usize {
        self.proto.len() + size_of::<Self>()
    }

    fn to_json(&self) -> Bytes {
        let text = json::encode_dynamic("hansard.v1.ConnectResponse", &self.proto);
        text.expect("a frame that this process encoded is valid").into()
    }
}
