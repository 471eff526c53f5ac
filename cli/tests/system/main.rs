//! The product as its users meet it: the real binary, real sockets, real processes.
//!
//! Every promise of `docs/promises.md` has its test here or beside the code. A test that speaks to a router is written
//! once, over [`harness::Conn`], and runs over gRPC and over WebSocket: `both!` makes the two.

// What the harness offers is public to the modules beside it.
#![allow(unreachable_pub)]
// A frame that was not wanted is handed back whole.
#![allow(clippy::result_large_err)]

mod bad_input;
mod client_tls;
mod commands;
mod delivery;
mod dev;
mod faults;
mod full_disk;
mod harness;
mod identity;
mod keys;
mod metrics;
mod operations;
mod patience;
mod requests;
mod rooms;
mod talk;
mod traces;
