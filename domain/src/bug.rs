//! Bugs planted on purpose, so that the tests which promise to find such bugs can be tested themselves.
//!
//! Without the feature `seeded-bugs`, which only the simulation asks for, [`is`] is constantly false and nothing of them is
//! compiled. With it one build has all of them, and [`choose`] says which one is there.

/// Whether this build has the bugs. What ships asserts that it has not.
pub const PLANTED: bool = cfg!(feature = "seeded-bugs");

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal;)*) => {
        /// A bug that can be planted. It is in one place of the product, where it says `bug::is(Bug::…)`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$bug,)*];

            /// What people call it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }
        }
    };
}

bugs! {
    /// The log's writer tells that a batch is durable without a sync.
    AckBeforeFsync = "ack-before-fsync";
    /// Consensus is told that entries are durable when they are queued.
    AckOnAppend = "ack-on-append";
    /// A vote is kept in memory only.
    VoteUnsynced = "vote-unsynced";
    /// A failed sync is tried again, as if its second answer meant anything.
    RetryFailedFsync = "retry-failed-fsync";
    /// A node whose log failed goes on instead of ending.
    GoOnAfterDiskError = "go-on-after-disk-error";
    /// A damaged log is cut where the damage is.
    DamageCutsLog = "damage-cuts-log";
    /// The log is purged before the rows that replace it are durable.
    PurgeBeforeFlush = "purge-before-flush";
    /// A snapshot leaves out the memory of requests.
    DedupNotInSnapshot = "dedup-not-in-snapshot";
    /// A snapshot says that it holds one entry more than it does.
    SnapshotMissesLastEntry = "snapshot-misses-last-entry";
    /// A scan that a damaged block ended counts as complete.
    IteratorStatusIgnored = "iterator-status-ignored";
    /// An empty data directory gets an id that was in use before.
    NodeIdReused = "node-id-reused";
    /// Each replica stamps entries with its own clock.
    ApplyReadsClock = "apply-reads-clock";
    /// An entry's time is its leader's clock, whatever came before.
    TimeRunsBack = "time-runs-back";
    /// The rooms of a shard share one sequence.
    RoomsShareSequence = "rooms-share-sequence";
    /// A request id is remembered for each router on its own.
    DedupPerRouter = "dedup-per-router";
    /// A request id that was used with another content gets the first answer.
    DedupIgnoresContent = "dedup-ignores-content";
    /// An edit is acknowledged, and no entry says so.
    EditWithoutEntry = "edit-without-entry";
    /// A redacted text is still handed out.
    RedactedStillShown = "redacted-still-shown";
    /// Reads are served without asking whether this replica still leads.
    StaleReads = "stale-reads";
    /// A router that subscribes anew goes on from now, and skips what came between.
    ResubscribeSkips = "resubscribe-skips";
    /// Who was removed from a room goes on hearing it.
    RemovedStillServed = "removed-still-served";
}

/// Whether this bug is planted.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "seeded-bugs")]
pub use planted::{choose, is};

#[cfg(feature = "seeded-bugs")]
mod planted {
    use std::sync::OnceLock;

    use super::Bug;

    static CHOSEN: OnceLock<Bug> = OnceLock::new();

    /// Plants a bug, for as long as the process lives.
    ///
    /// # Panics
    /// If one is planted already.
    pub fn choose(bug: Bug) {
        assert!(CHOSEN.set(bug).is_ok(), "one bug at a time");
    }

    /// Whether this bug is planted.
    pub fn is(bug: Bug) -> bool {
        CHOSEN.get() == Some(&bug)
    }
}
