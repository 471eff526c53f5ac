//! The server processes: settings, seams, and a drain on SIGTERM.

#[cfg(feature = "failpoints")]
mod failpoints;
mod memory;
pub(crate) mod node;
pub(crate) mod parent;
pub(crate) mod router;
mod settings;

pub(crate) use node::NodeArgs;
pub(crate) use router::RouterArgs;
