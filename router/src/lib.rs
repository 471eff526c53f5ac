//! The stateless edge: authenticates people, carries their sessions over gRPC and WebSocket, finds the node that leads a
//! room's shard, and fans out what happens in followed rooms.
//!
//! ```text
//! grpc, websocket ─▶ connection ─▶ session (sans-IO) ─▶ upstream ─▶ nodes
//!                        ▲                                 │
//!                        └────────── hub ◀─────────────────┘
//! ```
//!
//! A router keeps nothing: killed, it loses connections, and clients go on elsewhere from their cursors.

mod auth;
mod bucket;
pub mod config;
mod connection;
mod convert;
mod directory;
mod draining;
mod edge;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod hub;
mod layers;
pub mod limits;
mod metrics;
mod presence;
mod principal;
mod proposal;
mod proposals;
mod reason;
mod refusals;
mod refuse;
mod run;
mod session;
mod shares;
mod unary;
mod upstream;
mod websocket;

pub use auth::{FetchError, KeysError};
pub use config::{ConfigError, RouterConfig};
pub use limits::Rates;
pub use run::{RouterError, RouterHandle, Seams, run};
