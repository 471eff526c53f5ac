//! The lease that a follower grants its leader: no vote for another while it runs. It ends early once the leader is lost.

use std::time::Duration;

use openraft::Instant;
use openraft::errors::{Fatal, RaftError};
use openraft::raft::{TransferLeaderRequest, VoteRequest, VoteResponse};

use super::detector::Detector;
use super::types::{Group, Types, Vote};

/// Ends the lease of the leader of `vote` at this replica, for the rest of its term; does nothing if the term is over.
///
/// openraft ends it when a leader hands over to somebody else; a leader that is lost has left its office in the same way.
///
/// # Errors
/// The group has stopped.
pub(crate) async fn end(group: &Group, vote: Vote) -> Result<(), Fatal<Types>> {
    let request = TransferLeaderRequest::new(vote, vote.leader_id.voted_for, None);
    group.handle_transfer_leader(request).await.map(drop)
}

/// Answers whether this replica would vote for a candidate. Never against a leader that it hears, whose lease it may have ended
/// before by mistake; and at once against one that is lost. If it then has more of the log than the candidate, it stands itself.
///
/// # Errors
/// The group has stopped.
pub(super) async fn pre_vote(
    group: &Group,
    detector: &Detector,
    request: VoteRequest<Types>,
) -> Result<VoteResponse<Types>, RaftError<Types>> {
    let (vote, heard) = group
        .with_raft_state(|state| (*state.vote_ref(), state.vote_last_modified()))
        .await
        .map_err(RaftError::Fatal)?;
    let leader = vote.leader_id.voted_for;
    if !vote.committed || leader == *group.node_id() {
        return group.pre_vote(request).await;
    }
    let lease = Duration::from_millis(group.config().election_timeout_max);
    let lost = detector.lost(leader);
    if lost {
        end(group, vote).await.map_err(RaftError::Fatal)?;
    } else if heard.is_some_and(|at| at.elapsed() < lease) {
        return Ok(VoteResponse::new(vote, None, false));
    }
    let theirs = request.last_log_id;
    let answer = group.pre_vote(request).await?;
    if lost && answer.last_log_id > theirs {
        group.trigger().elect(true).await.map_err(RaftError::Fatal)?;
    }
    Ok(answer)
}
