//! The rules of Hansard: pure, deterministic, without IO, clock or dice.
//!
//! Everything that every replica must agree on lives here: ids and limits, the formats of commands and rows, who may do
//! what in a room, [`Shard::apply`] (the sole transition of a room shard), the audit record with its RFC 6962 tree, the
//! cluster's own state in [`meta`], and the arithmetic of [`placement`].

pub mod authorize;
pub mod bug;
pub mod command;
pub mod content;
pub mod entry;
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod kind;
pub mod limits;
pub mod meta;
pub mod outcome;
pub mod placement;
pub mod read;
pub mod record;
pub mod refusal;
pub mod room;
pub mod rows;
pub mod sealed;
pub mod shard;
pub mod tree;

mod batch;
mod cache;
mod changes;
mod commands;
mod dedup;
mod erased;
mod event;
mod event_block;
mod hash;
mod head;
mod keys;
mod lanes;
mod leaves;
mod member;
mod news;
mod record_block;
mod request_block;
mod requests;
mod room_blocks;
mod small;
mod stage;
mod wire;

pub use authorize::{Facts, LoadedFacts, RuleId, Target, authorize};
pub use batch::Batch;
pub use bug::Bug;
pub use command::{Action, Command};
pub use content::Content;
pub use entry::{Entry, Gap, GapReason, RoomEvent};
pub use event::{Body, ContentState, EventRow};
pub use event_block::decode_events;
pub use ids::{ClusterId, IdError, NodeId, PersonId, RequestId, RoomId, ShardId};
pub use kind::Kind;
pub use member::{Interval, Member};
pub use news::News;
pub use outcome::Outcome;
pub use record::Header;
pub use refusal::{Refusal, RefusalKind};
pub use room::{Role, Room, Visibility};
pub use rows::{Change, Key, MemRows, Rows, Table};
pub use sealed::{Commitment, Salt, Sealed};
pub use shard::{Applied, Shard};
pub use wire::CodecError;

#[cfg(test)]
mod testkit;

#[cfg(test)]
mod properties;
