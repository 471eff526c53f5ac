//! The routers that are linked to this node, and what they are told without asking.

mod directory;
mod news;
mod outbox;
mod registry;
mod signals;

pub(crate) use directory::{DirectoryHub, tell_leaders, tell_meta};
pub(crate) use outbox::{Outbox, Permit};
pub(crate) use registry::{Link, Links};
