//! What nodes and routers may ask: convert, check, call. No rules here.

mod bounds;
mod calls;
mod edge;
mod handshake;
mod link;
mod operate;
mod peer;
mod people;
mod refused;
mod reply;
mod status_view;
mod views;

pub(crate) use edge::Edge;
pub(crate) use peer::{Peer, adjust};

/// The version of the messages between nodes and routers that this program speaks.
pub(crate) const PROTOCOL: u32 = 1;
