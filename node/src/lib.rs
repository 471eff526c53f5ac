//! A node of the cluster: keeps shards, agrees on them with the other nodes, and serves the routers.
//!
//! `raft` adapts openraft's traits; `shard` drives one group with its proposals and reads; `meta` founds the cluster,
//! places shards and moves them; `fanout` feeds rooms to routers; `links` are those routers; `rpc` converts and calls.

mod config;
mod cut;
mod error;
mod fanout;
mod links;
mod lock;
mod meta;
mod metrics;
mod rpc;
mod run;
mod serve;
mod state;

pub mod raft;
pub mod shard;

pub use config::{DEFAULT_SHARDS, MAX_SHARDS, Memory, NodeConfig, OpenStore, Seams};
pub use error::RunError;
pub use run::{NodeHandle, run};
