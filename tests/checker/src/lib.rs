//! Decides from histories alone whether a cluster kept its promises. Shares no code with the servers: formats, hashes and
//! the tree are written anew from their descriptions.
//!
//! What it reads is described in [`format`]; what it checks, in [`Violation`]. Each file is read from front to back. Time is
//! linear in the histories; memory is about [`BYTES_PER_ENTRY`] bytes per entry of the record, whatever the texts' length, and
//! `parts` of a check divide it: each part looks at some of the rooms, and reads all files again.

mod check;
mod clients;
mod files;
mod followers;
pub mod format;
mod header;
mod ids;
mod nodes;
mod order;
mod placement;
mod record;
mod report;
mod rooms;
pub mod tree;
mod write;

pub use check::{Summary, check_files};
pub use header::Header;
pub use ids::{digest, hex_id};
pub use report::{Report, Violation};
pub use rooms::BYTES_PER_ENTRY;
pub use write::Writer;
