//! The Rust SDK: one session over gRPC that reconnects by itself.
//!
//! - [`Client::send`] and every mutating call keep one request id until the outcome is known or the deadline passes, so a
//!   retry never doubles anything. An outcome is committed, refused, or unknown; see [`ClientError`].
//! - [`Client::follow`] hands out a room's events and gaps in order, each once, across reconnects; a hole is reported.
//! - Everything is bounded; a slow follower holds up neither other follows nor sends.

mod addresses;
mod backoff;
mod client;
mod cluster;
mod config;
mod core;
mod dial;
mod dice;
mod driver;
mod error;
mod follow;
mod follows;
mod id;
mod messages;
mod outgoing;
mod people;
mod pulse;
mod requests;
mod rooms;
mod tracker;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use client::{Client, Receipt, Stats};
pub use config::{Config, Connector, Io, IoFuture, Token, TokenFuture};
pub use error::{ClientError, Detail};
pub use follow::{Follow, Item, Start};
/// The messages that go over the wire.
pub use hansard_proto::v1;
pub use id::RequestId;
/// What generic callers of [`Client::call`] need to name.
pub use prost::{Message, Name};
