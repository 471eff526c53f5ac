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

pub mod auth;
mod bucket;
pub mod config;
pub mod connection;
mod convert;
pub mod directory;
mod draining;
pub mod edge;
mod fields;
mod grpc;
pub mod hub;
mod layers;
pub mod limits;
pub mod metrics;
pub mod principal;
pub mod proposal;
mod proposals;
pub mod reason;
pub mod refusals;
mod refuse;
pub mod run;
pub mod session;
mod unary;
pub mod upstream;
pub mod websocket;

pub use config::{ConfigError, RouterConfig};
pub use limits::Rates;
pub use run::{RouterError, RouterHandle, Seams, run};
