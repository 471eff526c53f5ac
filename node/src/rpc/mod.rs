//! What nodes and routers may ask: convert, check, call. No rules here.

mod bounds;
mod calls;
mod edge;
mod handshake;
mod link;
pub(crate) mod membership;
mod nearby;
mod operate;
mod peer;
mod people;
mod refused;
mod reply;
mod status_view;
mod views;

pub(crate) use edge::Edge;
pub(crate) use peer::Peer;

/// The version of the messages between nodes and routers that this program speaks.
pub(crate) const PROTOCOL: u32 = 1;
