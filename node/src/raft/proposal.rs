//! What is proposed to a Raft group, and what comes back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::meta::{MetaBatch, MetaOutcome};
use hansard_domain::{Batch, Outcome};

/// A batch in the form in which it is decided upon.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// For a shard of rooms.
    Room(Arc<Batch>),
    /// For the meta group.
    Meta(Arc<MetaBatch>),
}

/// One entry's worth of commands. `payload` is what the log keeps (see [`super::entry`]); the rest lives in memory on the
/// node that proposed it and spares it a decoding.
#[derive(Clone)]
pub struct Proposal {
    /// The log payload: its kind, then the encoded batch.
    pub payload: Bytes,
    /// The batch, where it was made here.
    pub decoded: Option<Decoded>,
    /// The spans of its commands that are traced, of which each sees the apply; none while nothing is traced.
    pub spans: Vec<tracing::Span>,
}

impl Proposal {
    /// A proposal as it comes from the log or the wire.
    pub fn stored(payload: Bytes) -> Proposal {
        Proposal { payload, decoded: None, spans: Vec::new() }
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.payload.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.payload.len())
    }
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Proposal) -> bool {
        self.payload == other.payload
    }
}

/// The outcomes of one entry's commands, in their order.
#[derive(Clone, Debug)]
pub enum Outcomes {
    /// The entry had no commands: blank, or a membership.
    None,
    /// Of a batch for rooms.
    Room(Vec<Outcome>),
    /// Of a batch for meta.
    Meta(Vec<MetaOutcome>),
}
