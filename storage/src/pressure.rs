//! How full the disk is, and what follows from it.

/// The disk at the last probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePressure {
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Whether new proposals may be taken. Votes and what replication demands are written all the same.
    pub accepting: bool,
    /// Whether the ballast file is in place.
    pub ballast: bool,
}
