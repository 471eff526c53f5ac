//! Snapshots of a shard: read from a pinned view, installed as a new generation.

pub(crate) mod format;
pub(crate) mod partial;
mod reader;
mod writer;

pub use format::CHUNK_BYTES;
pub use partial::{Partial, Taken};
pub use reader::{SnapshotReader, SnapshotSource};
pub use writer::SnapshotWriter;
pub(crate) use writer::abandon;
