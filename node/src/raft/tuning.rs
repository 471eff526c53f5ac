//! Consensus timing and bounds, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy, StepDownPolicy};

/// A follower that lacks more entries than this catches up; another one keeps up. Half a second of a busy shard.
pub const CLOSE: u64 = 64;

/// Timing and bounds of all Raft groups of a node.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Between two signs of life that a node gives each other node, whatever it leads. 250 ms: three of them are `silence`.
    pub heartbeat: Duration,
    /// A follower that hears nothing stands for election after the leader's lease and a random time between these two. 1 s to
    /// 1.5 s: a machine whose CPU is stolen for half a second holds no needless election. Lost nodes are replaced sooner.
    pub election_min: Duration,
    /// See `election_min`. Also the leader's lease: without a quorum's answer for so long it serves nobody.
    pub election_max: Duration,
    /// A node from which nothing came for so long is held to be lost, and its leaderships are taken over as soon as a majority
    /// holds it lost. Three heartbeats: one may be late and one lost.
    pub silence: Duration,
    /// How long one consensus request waits for its answer before the link is held to be slow; an append from when it is on its way,
    /// with the time that what left before it may take.
    pub request_timeout: Duration,
    /// How long a proposal waits for its commit before its outcome is told to be unknown.
    pub propose_timeout: Duration,
    /// How long one attempt to send a snapshot and to have it installed may take; the next goes on where it stopped. 1,000 s:
    /// a receiver that takes chunks ever more slowly is not waited for all day.
    pub snapshot_timeout: Duration,
    /// How long what is left of an interrupted snapshot is kept for the next attempt, at either end. 5 min: a node restarts in
    /// less. The sender keeps old rows and the log meanwhile, the receiver what has come.
    pub snapshot_keep: Duration,
    /// Bytes of snapshots that a node sends in a second, as many that it takes in, and as many of log entries that it sends to
    /// followers which catch up, of all shards together. 24 MiB: a fraction of what disks, networks and processors do, so that
    /// messages go on beside it, and still 55,000 messages/s of 200 bytes by snapshot and 75,000 by the log.
    pub snapshot_bytes_per_second: u64,
    /// A snapshot (a flush, and leave to purge the log) every so many entries. At 50 commands an entry that is 500,000 commands,
    /// which apply again in a few seconds after a restart.
    pub snapshot_entries: u64,
    /// Entries kept below a snapshot, so that a follower which was away for a moment needs no snapshot.
    pub keep_entries: u64,
    /// Bytes of the log, of all shards together, that a node keeps; what is older is made durable in the state and purged, and a
    /// follower that is further behind gets a snapshot. 512 MiB: a minute at full speed, and days in most companies; a node
    /// writes over the same files again and again.
    pub log_bytes: u64,
    /// Memory of one shard for rooms, members and newest requests that are used again and again, in bytes. 16 MiB: 9,000 rooms and
    /// four members of each.
    pub shard_cache_bytes: usize,
    /// Appends under way to one follower of one shard. Three entries are under way at a proposer, and as many again while their
    /// commits are told.
    pub appends_in_flight: usize,
    /// Bytes of entries in one append. Below gRPC's message limit, and above one full entry.
    pub append_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            heartbeat: Duration::from_millis(250),
            election_min: Duration::from_millis(1_000),
            election_max: Duration::from_millis(1_500),
            silence: Duration::from_millis(750),
            request_timeout: Duration::from_millis(1_000),
            propose_timeout: Duration::from_secs(5),
            snapshot_timeout: Duration::from_secs(1_000),
            snapshot_keep: Duration::from_secs(300),
            snapshot_bytes_per_second: 24 << 20,
            snapshot_entries: 10_000,
            keep_entries: 1_000,
            log_bytes: 512 << 20,
            shard_cache_bytes: 16 << 20,
            appends_in_flight: 8,
            append_bytes: 512 * 1024,
        }
    }
}

impl Tuning {
    /// The default with another heartbeat and another shortest election timeout, in milliseconds; what depends on them follows.
    pub fn from_millis(heartbeat: u64, election: u64) -> Tuning {
        Tuning {
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(election),
            election_max: Duration::from_millis(election + election / 2),
            silence: Duration::from_millis(heartbeat * 3),
            request_timeout: Duration::from_millis(election),
            ..Tuning::default()
        }
    }

    /// With a snapshot every so many entries, of which a tenth is kept below it.
    pub fn with_snapshot_entries(self, entries: u64) -> Tuning {
        Tuning { snapshot_entries: entries, keep_entries: entries / 10, ..self }
    }

    /// openraft's configuration of one group.
    pub(crate) fn config(&self, group: &str) -> Result<Arc<Config>, ConfigError> {
        let heartbeat = millis(self.heartbeat);
        let config = Config {
            cluster_name: group.to_owned(),
            // Nodes are watched by their signs of life. A group's own heartbeats only renew its leader's lease, and each shard pays
            // for them and for openraft's clock, which ticks five times as often: half as many cost an idle node a third less. It
            // is also how long a heartbeat's answer may take, so it must exceed the round trip to the nearest quorum.
            heartbeat_interval: heartbeat * 2,
            // A follower that has just answered an append needs no heartbeat.
            heartbeat_min_interval: Some(heartbeat / 2),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: millis(self.snapshot_timeout),
            // Bytes bound an append (`limited_get_log_entries`); the count only bounds the work for tiny entries.
            max_payload_entries: 1_024,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.keep_entries,
            // Must exceed the snapshot interval, or a follower is sent snapshots for ever.
            replication_lag_threshold: self.snapshot_entries * 2,
            // Purging is a log record of its own: not for each entry.
            purge_batch_size: (self.snapshot_entries / 40).max(1),
            // Every queue is bounded by what can be under way, not by memory: proposals by the proposer, appends by the window.
            api_channel_size: Some(4_096),
            notification_channel_size: Some(4_096),
            state_machine_channel_size: Some(256),
            // Followers get an entry while the leader still syncs it.
            broadcast_submitted_on_append: Some(true),
            // A leader that restarts has applied less than it had told: it must be elected, and so learn what is committed.
            enable_leader_restore: Some(false),
            // A node that comes back from a cut does not raise the term under a healthy leader.
            enable_pre_vote: Some(true),
            removed_leader_step_down: StepDownPolicy::After(heartbeat),
            backoff: "50ms 100ms 200ms ...1s".to_owned(),
            ..Config::default()
        };
        config.validate().map(Arc::new)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("timeouts are far below the range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_a_wide_area_setting_are_valid() {
        assert!(Tuning::default().config("shard").is_ok());
        assert!(Tuning::from_millis(300, 1_500).config("shard").is_ok());
        assert!(Tuning::from_millis(50, 250).config("shard").is_ok());
    }

    #[test]
    fn an_election_timeout_below_the_heartbeat_is_refused() {
        assert!(Tuning::from_millis(500, 400).config("shard").is_err());
    }
}
