//! The server processes: settings, seams, and a drain on SIGTERM.

pub(crate) mod node;
pub(crate) mod parent;
pub(crate) mod router;
mod settings;

pub(crate) use node::NodeArgs;
pub(crate) use router::RouterArgs;
