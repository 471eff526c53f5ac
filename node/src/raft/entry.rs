//! Log entries and their payload's format.
//!
//! A payload is `version u8 = 1`, `kind u8` (0 blank, 1 batch, 2 membership), then the kind's body: nothing, domain's batch
//! format, or the membership format of [`super::membership`]. Term, index, length and checksum are storage's frame around it.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use hansard_storage::LogEntry;
use openraft::entry::{RaftEntry, RaftPayload};

use super::membership;
use super::proposal::Proposal;
use super::types::{LogId, Membership, Payload, Term, log_id, parts};

/// The version of the payload format that this code writes.
pub const PAYLOAD_VERSION: u8 = 1;
const BLANK: u8 = 0;
const BATCH: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Why a payload cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// Written by a newer release.
    #[error("log payload version {0} is newer than this release reads ({PAYLOAD_VERSION}): start the newer release")]
    Version(u8),
    /// Not a kind that this release knows.
    #[error("log payload kind {0} is unknown")]
    Kind(u8),
    /// It ends too early, or holds what cannot be.
    #[error("log payload is malformed: {0}")]
    Malformed(&'static str),
}

/// A log entry. Its frame is the log's and the wire's: made once, by the leader that appended it.
#[derive(Clone)]
pub struct Entry {
    log_id: LogId,
    payload: Payload,
    stored: Option<LogEntry>,
}

impl Entry {
    /// The entry that storage holds.
    pub fn from_stored(stored: LogEntry) -> Result<Entry, PayloadError> {
        let payload = decode_payload(stored.payload.clone())?;
        Ok(Entry { log_id: log_id(stored.term, stored.index), payload, stored: Some(stored) })
    }

    /// The entry as storage holds it: the frame it came in, or a new one.
    pub fn to_stored(&self) -> LogEntry {
        let (term, index) = parts(&self.log_id);
        self.stored.clone().unwrap_or_else(|| LogEntry::new(term, index, &encode_payload(&self.payload)))
    }

    /// What it holds.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// What it holds, without the entry.
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// Its position.
    pub fn position(&self) -> LogId {
        self.log_id
    }

    /// Lends a proposal that was made here its decoded batch and its spans.
    pub fn with_memory_of(mut self, made_here: &Proposal) -> Entry {
        if let Payload::Normal(proposal) = &mut self.payload {
            debug_assert_eq!(proposal, made_here, "one index and term, one payload");
            proposal.decoded = made_here.decoded.clone();
            proposal.spans = made_here.spans.clone();
        }
        self
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.log_id == other.log_id && self.payload == other.payload
    }
}

/// Starts a batch's payload: append the encoded batch, and the result is [`Proposal::payload`].
pub fn batch_payload(capacity: usize) -> BytesMut {
    let mut payload = BytesMut::with_capacity(capacity + 2);
    payload.put_u8(PAYLOAD_VERSION);
    payload.put_u8(BATCH);
    payload
}

/// The encoded batch inside a batch's payload.
///
/// # Panics
/// If the payload is not a batch's: only [`decode_payload`] and [`batch_payload`] make proposals.
pub fn batch_of(payload: &Bytes) -> Bytes {
    assert!(payload.len() >= 2 && payload[1] == BATCH, "a proposal holds a batch");
    payload.slice(2..)
}

/// A payload as the log keeps it.
pub fn encode_payload(payload: &Payload) -> Bytes {
    match payload {
        Payload::Blank => Bytes::from_static(&[PAYLOAD_VERSION, BLANK]),
        Payload::Normal(proposal) => proposal.payload.clone(),
        Payload::Membership(members) => {
            let mut bytes = vec![PAYLOAD_VERSION, MEMBERSHIP];
            membership::encode(members, &mut bytes);
            bytes.into()
        }
    }
}

/// The payload that the log keeps in `bytes`.
pub fn decode_payload(bytes: Bytes) -> Result<Payload, PayloadError> {
    let (Some(&version), Some(&kind)) = (bytes.first(), bytes.get(1)) else {
        return Err(PayloadError::Malformed("shorter than its header"));
    };
    if version != PAYLOAD_VERSION {
        return Err(PayloadError::Version(version));
    }
    match kind {
        BLANK if bytes.len() > 2 => Err(PayloadError::Malformed("bytes after a blank")),
        BLANK => Ok(Payload::Blank),
        BATCH => Ok(Payload::Normal(Proposal::stored(bytes))),
        MEMBERSHIP => membership::decode(&bytes[2..]).map(Payload::Membership),
        other => Err(PayloadError::Kind(other)),
    }
}

impl RaftEntry for Entry {
    type CommittedLeaderId = Term;
    type Payload = Payload;

    fn new(log_id: LogId, payload: Payload) -> Self {
        Entry { log_id, payload, stored: None }
    }

    fn log_id_parts(&self) -> (&Term, u64) {
        (&self.log_id.leader_id, self.log_id.index)
    }

    fn set_log_id(&mut self, new: LogId) {
        if self.log_id != new {
            self.log_id = new;
            self.stored = None;
        }
    }

    fn get_membership(&self) -> Option<Membership> {
        self.payload.get_membership()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.log_id, self.payload)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.log_id, self.payload)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
