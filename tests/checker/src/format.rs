//! Histories, version 1: one JSON object a line.
//!
//! The first line of every file is its [`Title`]; all others are of the type that its kind says:
//!
//! | kind | lines | written by |
//! |---|---|---|
//! | `client` | [`Client`] | one sender: the begin and the outcome of each of its sends |
//! | `follower` | [`Follower`] | one subscriber: what it was handed out |
//! | `node` | [`Node`] | the dump of a node's data: its records, entry by entry |
//! | `cluster` | [`Cluster`] | the placement when the nodes were stopped |
//!
//! Ids are 32 hexadecimal digits in lower case, bytes are hexadecimal. Times are nanoseconds of one monotonic clock that all
//! clients of a run share. A file that ends in the middle of a line, or before its `end` where it has one, is an error: what
//! cannot be read is not taken for good.

use serde::{Deserialize, Serialize};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// [`VERSION`].
    pub hansard_history: u32,
    /// What the other lines are.
    pub kind: Kind,
    /// Who wrote it, such as `client3` or `node1`; unique within its kind.
    pub name: String,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// See [`Client`].
    Client,
    /// See [`Follower`].
    Follower,
    /// See [`Node`].
    Node,
    /// See [`Cluster`].
    Cluster,
}

/// A sender's line. A send without an outcome counts as unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Client<'a> {
    /// The send begins.
    Invoke {
        /// The request id.
        op: &'a str,
        /// The room's id.
        room: &'a str,
        /// What is said.
        #[serde(borrow)]
        text: std::borrow::Cow<'a, str>,
        /// When.
        at: u64,
    },
    /// It is committed.
    Ack {
        /// The request id.
        op: &'a str,
        /// The seq in the room.
        seq: u64,
        /// When the answer came.
        at: u64,
    },
    /// It was not done and never will be.
    Refused {
        /// The request id.
        op: &'a str,
        /// The reason, a constant such as `ROOM_UNKNOWN`.
        why: &'a str,
    },
    /// The sender gave up: it may be done, now or later, or not.
    Unknown {
        /// The request id.
        op: &'a str,
    },
}

/// A subscriber's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Follower<'a> {
    /// It follows a room from right after a seq; what comes next in the room is seq `after + 1`.
    Start {
        /// The room's id.
        room: &'a str,
        /// The seq.
        after: u64,
    },
    /// An entry.
    Event {
        /// The room's id.
        room: &'a str,
        /// The seq.
        seq: u64,
        /// The text, empty where the entry has none.
        #[serde(borrow)]
        text: std::borrow::Cow<'a, str>,
    },
    /// Seqs that were withheld, or that were missing.
    Missing {
        /// The room's id.
        room: &'a str,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// It has stayed to the end: the last entry of the room has this seq.
    End {
        /// The room's id.
        room: &'a str,
        /// The seq.
        seq: u64,
    },
}

/// A line of a node's dump: a record's head, then all its entries by index; after the last record, the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node<'a> {
    /// The head of a shard's record, as the node keeps it.
    Shard {
        /// The shard's id; all zeros for `meta`.
        id: &'a str,
        /// Entries.
        size: u64,
        /// The RFC 6962 root.
        root: &'a str,
    },
    /// An entry whose content is kept.
    Entry {
        /// The canonical header; see `domain/src/record.rs`.
        header: &'a str,
        /// The salt of the commitment.
        salt: &'a str,
        /// The content, canonical and in the clear: `(field u8, length varint, UTF-8)*`.
        content: &'a str,
    },
    /// An entry whose content is gone.
    Erased {
        /// The canonical header.
        header: &'a str,
        /// The commitment.
        commitment: &'a str,
    },
    /// The dump is whole.
    End {
        /// Records in it.
        shards: u64,
    },
}

/// A line of the placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cluster<'a> {
    /// A shard and who must have it.
    Shard {
        /// The shard's id.
        id: &'a str,
        /// Names of node histories.
        #[serde(borrow)]
        voters: Vec<&'a str>,
        /// Entries that all of them had when they were compared. One that is stopped later may have more: refusals that were
        /// counted are recorded when a shard's leader changes.
        entries: u64,
    },
}
