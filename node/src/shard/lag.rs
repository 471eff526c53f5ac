//! How far a replica is behind its log, and its followers behind it, in entries: what operators watch.

use std::collections::BTreeMap;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;

use crate::raft::CLOSE;
use crate::raft::types::{Group, LogId, Types};

/// A replica's lags, in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Committed, as far as is known here, and not yet applied.
    pub apply: u64,
    /// Applied and not yet covered by a snapshot: what a start applies again.
    pub snapshot: u64,
    /// In the log, and not known to be in that of the follower which has the fewest. `None`: this replica does not lead.
    pub replication: Option<u64>,
}

/// Index of the last entry in the group's log; 0 if there is none.
pub(super) fn last_index(group: &Group) -> u64 {
    index(group.data_metrics().borrow_watched().last_log.as_ref())
}

/// The lags of a group that has applied all up to `applied`.
pub(super) fn of(group: &Group, applied: u64) -> Lag {
    let me = group.node_id();
    let data = group.data_metrics();
    let data = data.borrow_watched();
    let last = index(data.last_log.as_ref());
    let behind = |matched: &Option<LogId>| last.saturating_sub(index(matched.as_ref()));
    let worst = |followers: &BTreeMap<u64, Option<LogId>>| {
        followers.iter().filter(|(node, _)| *node != me).map(|(_, matched)| behind(matched)).max().unwrap_or(0)
    };
    Lag {
        apply: index(data.cluster_committed.as_ref()).saturating_sub(applied),
        snapshot: applied.saturating_sub(index(data.snapshot.as_ref())),
        replication: data.replication.as_ref().map(worst),
    }
}

/// Whether a leader's follower has nearly all that is in the log; one that was never heard from has nothing, however short the log is.
/// Who no longer leads waits for nobody.
pub(super) fn is_close(now: &RaftMetrics<Types>, follower: u64) -> bool {
    let last = now.last_log_index.unwrap_or(0);
    let close = |matched: &LogId| last <= matched.index + CLOSE;
    now.replication
        .as_ref()
        .is_none_or(|followers| followers.get(&follower).and_then(Option::as_ref).is_some_and(close))
}

/// How many entries of its log a leader does not know a follower to have. One that was never heard from lacks more than there are,
/// however short the log is. `None`: it does not lead.
pub(super) fn missing(group: &Group, follower: u64) -> Option<u64> {
    let data = group.data_metrics();
    let data = data.borrow_watched();
    let matched = data.replication.as_ref()?.get(&follower).and_then(Option::as_ref);
    let last = index(data.last_log.as_ref());
    Some(matched.map_or(u64::MAX, |matched| last.saturating_sub(matched.index)))
}

/// Whether a replica has not applied all but `entries` of what is committed, or does not know what is.
pub(super) fn is_behind(group: &Group, applied: u64, entries: u64) -> bool {
    let data = group.data_metrics();
    let committed = data.borrow_watched().cluster_committed.as_ref().map(|at| at.index);
    committed.is_none_or(|committed| applied + entries < committed)
}

fn index(at: Option<&LogId>) -> u64 {
    at.map_or(0, |at| at.index)
}
