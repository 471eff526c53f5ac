//! All points.

/// What can happen at a point, and what must follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Between two steps: the process can crash there.
    Moment,
    /// Before a step that must not fail: the process can crash there, or the step fails, and then the process ends by itself, or
    /// does not start.
    Step,
    /// Before a step of the reserve: the process can crash there, or the step fails, and then the process goes on without.
    Reserve,
    /// Before somebody is told: the process can crash there, or tell late.
    Ack,
}

macro_rules! points {
    ($($kind:ident { $($(#[$doc:meta])* $point:ident = $name:literal;)* })*) => {
        /// A place where a process can be crashed, failed or delayed. Each is in the product where it says so by this name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Point {
            $($($(#[$doc])* $point,)*)*
        }

        impl Point {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$point,)*)*];

            /// What people call it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$point => $name,)*)*
                }
            }

            /// What can happen there.
            pub const fn kind(self) -> Kind {
                match self {
                    $($(Self::$point => Kind::$kind,)*)*
                }
            }
        }
    };
}

points! {
    Step {
        /// A batch of the log is complete and nothing of it is written.
        LogWrite = "log-write";
        /// The batch is written and not synced.
        LogSync = "log-sync";
        /// The tail mark is due.
        MarkWrite = "mark-write";
        /// The tail mark is written and not synced.
        MarkSync = "mark-sync";
        /// A batch is durable, and the witness does not say so.
        WitnessWrite = "witness-write";
        /// The witness was written since it was synced, and is synced again.
        WitnessSync = "witness-sync";
        /// An empty directory's witness is to be made.
        WitnessCreate = "witness-create";
        /// A start has the witness, whose name may not be durable.
        WitnessNamed = "witness-named";
        /// A start has found the log's last segment, whose name may not be durable.
        TailNamed = "tail-named";
        /// A start has written anew, and not synced, that there is a segment after the one before the last.
        TailFollows = "tail-follows";
        /// A start has written the log's tail anew and not synced it.
        TailSync = "tail-sync";
        /// A start has marked the tail and not synced the mark.
        TailMarkSync = "tail-mark-sync";
        /// A start has marked the tail, and the witness says something older.
        TailWitness = "tail-witness";
        /// A start has told the witness, and not synced it.
        TailWitnessSync = "tail-witness-sync";
        /// A start removes a segment that was given up before.
        LeftoverRemove = "leftover-remove";
        /// IDENTITY is due: for an empty directory, and when it joins a cluster.
        IdentityWrite = "identity-write";
        /// Rows are on their way into the state.
        StateWrite = "state-write";
        /// The state is about to be flushed.
        StateFlush = "state-flush";
    }
    Reserve {
        /// A segment is to be made of zeros, ahead of need.
        SegmentCreate = "segment-create";
        /// The header of the next segment is written and not synced.
        SegmentHeader = "segment-header";
        /// The next segment has its name, which is not durable.
        SegmentNamed = "segment-named";
        /// A segment that was given up is to be a spare, or removed.
        SegmentRetire = "segment-retire";
        /// The ballast file is to be made.
        BallastMake = "ballast-make";
    }
    Moment {
        /// The batch is durable and nobody knows.
        LogSynced = "log-synced";
        /// The old segment says that there is a next one, into which nothing is written.
        SegmentRotated = "segment-rotated";
        /// The mark says which segments are given up, and they are all there.
        SegmentReleased = "segment-released";
        /// Live entries of an old segment are to be written again.
        Relocate = "log-relocate";
        /// The ballast file is to be freed.
        BallastFree = "ballast-free";
        /// An empty directory has its IDENTITY; no process has served from it.
        IdentityWritten = "identity-written";
        /// IDENTITY names the cluster and the state does not.
        ClusterBound = "cluster-bound";
        /// The rows of an apply and its mark are written; memory does not say so.
        StateCommitted = "state-committed";
        /// The state is durable; the log does not know that it may go.
        StateFlushed = "state-flushed";
        /// A shard has a keyspace, and nothing in the log.
        ShardCreated = "shard-created";
        /// A shard is marked as going.
        ShardRemoving = "shard-removing";
        /// A shard is out of the log and its rows are there.
        ShardRemoved = "shard-removed";
        /// A snapshot is built, and consensus does not know.
        SnapshotBuilt = "snapshot-built";
        /// A chunk is read and not sent.
        SnapshotSend = "snapshot-send";
        /// A chunk of a snapshot has come and its rows are not written.
        SnapshotChunk = "snapshot-chunk";
        /// A snapshot of which a part is here is about to go on.
        SnapshotResume = "snapshot-resume";
        /// What is here of an abandoned snapshot is about to be dropped.
        SnapshotDiscard = "snapshot-discard";
        /// All chunks have come and nothing is installed.
        SnapshotReceived = "snapshot-received";
        /// The new rows are written and flushed, and the old ones count.
        SnapshotSwitch = "snapshot-switch";
        /// The new rows count, and the log is the old one.
        SnapshotSwitched = "snapshot-switched";
        /// Rows and log are new; the old rows are there still.
        SnapshotReset = "snapshot-reset";
        /// Entries that another leader overruled are gone from the log, and consensus does not know.
        LogTruncated = "log-truncated";
        /// Entries that a snapshot covers are gone from the log, and consensus does not know.
        LogPurged = "log-purged";
        /// A founder has asked all others and is not bound to the cluster.
        FoundingAsked = "founding-asked";
        /// The founder is bound, and the cluster has no first entry.
        FoundingBound = "founding-bound";
        /// The cluster has its first entry.
        Founded = "founded";
        /// A node is bound to the cluster that it found, which does not know it.
        JoinBound = "join-bound";
        /// A shard has its first entry.
        ShardBegan = "shard-began";
    }
    Ack {
        /// Entries are durable; consensus is not told.
        AppendFlushed = "append-flushed";
        /// A follower has appended; its leader is not told.
        AppendAnswer = "append-answer";
        /// A vote is durable; consensus is not told.
        VoteSaved = "vote-saved";
        /// A vote is given; the candidate is not told.
        VoteAnswer = "vote-answer";
        /// A snapshot is installed; its sender is not told.
        SnapshotInstalled = "snapshot-installed";
        /// An entry is applied; whoever waits for it is not told.
        Applied = "applied";
        /// A command in a room has its outcome; the call that brought it is not told.
        RoomAnswer = "room-answer";
        /// A command in meta has its outcome; whoever gave it is not told.
        MetaAnswer = "meta-answer";
        /// A call is answered; the router is not told.
        LinkReply = "link-reply";
        /// A router has the outcome; the client is not told.
        RouterAck = "router-ack";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_points_have_one_name() {
        let names: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
