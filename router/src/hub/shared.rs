//! An entry on its way to many followers: encoded once for each codec.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hansard_domain::PersonId;
use hansard_proto::json;
use hansard_proto::v1::{ConnectResponse, Event, connect_response::Frame};
use prost::Message;

use super::budget::Kept;
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
    /// Where its bytes are counted for as long as it is there.
    counted_by: Option<Arc<Kept>>,
}

impl SharedEvent {
    /// Encodes an event; `ends` names the person whose membership it ends.
    pub(crate) fn new(event: Event, actor: Option<PersonId>, ends: Option<PersonId>) -> Self {
        let seq = event.seq;
        let frame = ConnectResponse { frame: Some(Frame::Event(event)) };
        Self { seq, actor, ends, proto: frame.encode_to_vec().into(), json: OnceLock::new(), counted_by: None }
    }

    /// The encoded frame, shared by all who ask.
    pub(crate) fn encoded(&self, codec: Codec) -> Bytes {
        match codec {
            Codec::Proto => self.proto.clone(),
            Codec::Json => self.json.get_or_init(|| self.to_json()).clone(),
        }
    }

    /// What it costs to keep in a room's ring, bytes: a JSON copy is reckoned with, as large as the other, be it made or not.
    pub(crate) fn cost(&self) -> usize {
        2 * self.proto.len() + size_of::<Self>()
    }

    /// What it takes now, bytes.
    pub(super) fn weight(&self) -> usize {
        self.proto.len() + self.json.get().map_or(0, Bytes::len) + size_of::<Self>()
    }

    /// Counts its bytes from now on, a JSON copy's as soon as there is one.
    pub(super) fn count(&mut self, kept: &Arc<Kept>) {
        kept.add(self.weight());
        self.counted_by = Some(kept.clone());
    }

    fn to_json(&self) -> Bytes {
        let text = json::encode_dynamic("hansard.v1.ConnectResponse", &self.proto);
        let json: Bytes = text.expect("a frame that this process encoded is valid").into();
        if let Some(kept) = &self.counted_by {
            kept.add(json.len());
        }
        json
    }
}

impl Drop for SharedEvent {
    fn drop(&mut self) {
        if let Some(kept) = &self.counted_by {
            kept.sub(self.weight());
        }
    }
}
