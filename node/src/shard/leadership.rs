//! Who leads a shard, and whether this replica may serve it.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Instant, ServerState};
use tokio::sync::watch;

use crate::raft::Progress;
use crate::raft::types::Group;

/// Who leads, as this replica sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The newest term.
    pub term: u64,
    /// Its leader, once known.
    pub leader: Option<u64>,
    /// This replica leads, has applied an entry of its own term (so all that was ever acknowledged), and a quorum has answered
    /// it within the election timeout.
    pub serving: bool,
}

/// Keeps `told` up to date until the group stops.
pub(super) async fn keep(
    group: Group,
    progress: Arc<Progress>,
    tick: Duration,
    patience: Duration,
    told: watch::Sender<Leadership>,
) {
    let mut server = group.server_metrics();
    let mut applied = progress.applied();
    let mut clock = tokio::time::interval(tick);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let seen = observe(&group, applied.borrow().0, patience);
        let leads = seen.leader == Some(*group.node_id());
        told.send_if_modified(|now| {
            let changed = *now != seen;
            if changed {
                tracing::info!(term = seen.term, leader = seen.leader, serving = seen.serving, "leadership");
            }
            *now = seen;
            changed
        });
        tokio::select! {
            changed = server.changed() => if changed.is_err() { break },
            // Only a new leader waits for its first entry; for all others apply's progress is of no interest.
            _ = applied.wait_for(|(term, _)| *term >= seen.term), if leads && !seen.serving && !caught_up(&progress, seen.term) => {}
            _ = clock.tick(), if leads => {}
        }
    }
    told.send_modify(|now| *now = Leadership { leader: None, serving: false, ..*now });
}

fn caught_up(progress: &Progress, term: u64) -> bool {
    progress.applied().borrow().0 >= term
}

fn observe(group: &Group, applied_term: u64, patience: Duration) -> Leadership {
    let (term, leader, leads, alone) = {
        let server = group.server_metrics();
        let server = server.borrow_watched();
        let leads = server.state == ServerState::Leader && server.vote.committed;
        let mut voters = server.membership_config.voter_ids();
        let alone = voters.next() == Some(server.id) && voters.next().is_none();
        (server.vote.leader_id.term, server.current_leader, leads, alone)
    };
    let confirmed = alone || {
        let data = group.data_metrics();
        let data = data.borrow_watched();
        data.last_quorum_acked.as_ref().is_some_and(|at| at.elapsed() < patience)
    };
    let serving = leads && applied_term >= term && confirmed;
    Leadership { term, leader, serving }
}
