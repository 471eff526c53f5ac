//! Linearizable reads: one confirmation by a quorum for all that wait.

use std::sync::Arc;

use hansard_domain::bug::{self, Bug};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::error::ReadError;
use crate::raft::Progress;
use crate::raft::types::Group;

/// Reads that may wait for a confirmation; beyond it readers are refused.
pub(super) const QUEUED: usize = 8_192;
/// Confirmations under way. A reader that just misses one need not wait for its end.
const ROUNDS: usize = 4;

pub(super) type Reader = oneshot::Sender<Result<(), Unconfirmed>>;

/// Why a round of reads was not confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unconfirmed {
    NotLeader(Option<u64>),
    NoQuorum,
    Stopped,
}

impl From<Unconfirmed> for ReadError {
    fn from(why: Unconfirmed) -> ReadError {
        match why {
            Unconfirmed::NotLeader(leader) => ReadError::NotLeader { leader },
            Unconfirmed::NoQuorum => ReadError::NoQuorum,
            Unconfirmed::Stopped => ReadError::Stopped,
        }
    }
}

/// Confirms reads until all handles of the shard are gone.
pub(super) async fn confirm(group: Group, progress: Arc<Progress>, mut queue: mpsc::Receiver<Reader>) {
    let rounds = Arc::new(Semaphore::new(ROUNDS));
    let mut waiting = Vec::new();
    loop {
        let Ok(round) = rounds.clone().acquire_owned().await else { return };
        if queue.recv_many(&mut waiting, QUEUED).await == 0 {
            return;
        }
        let readers = std::mem::take(&mut waiting);
        let (group, progress) = (group.clone(), progress.clone());
        tokio::spawn(async move {
            let confirmed = one_round(&group, &progress).await;
            drop(round);
            for reader in readers {
                // A reader may have given up.
                let _ = reader.send(confirmed);
            }
        });
    }
}

/// A read index that a quorum confirms, applied here.
async fn one_round(group: &Group, progress: &Progress) -> Result<(), Unconfirmed> {
    if bug::is(Bug::StaleReads) {
        return Ok(());
    }
    let linearizer = group.get_read_linearizer(ReadPolicy::ReadIndex).await.map_err(|error| match error {
        RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => Unconfirmed::NotLeader(to.leader_id),
        RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => Unconfirmed::NoQuorum,
        RaftError::Fatal(_) => Unconfirmed::Stopped,
    })?;
    let index = linearizer.read_log_id().index();
    let mut applied = progress.applied();
    applied.wait_for(|(_, applied)| *applied >= index).await.map_err(|_| Unconfirmed::Stopped)?;
    Ok(())
}
