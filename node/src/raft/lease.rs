//! The lease that a follower grants its leader: no vote for another while it runs. It ends early once the leader is lost.

use std::time::Duration;

use hansard_domain::ShardId;
use openraft::Instant;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{Fatal, RaftError};
use openraft::raft::{TransferLeaderRequest, VoteRequest, VoteResponse};

use super::detector::Detector;
use super::heirs;
use super::types::{Group, Types, Vote};

/// Leases since a leader was heard, or a vote was given, for which a replica insists that it comes before a candidate. An
/// election over the longest link takes less than one.
const INSISTING: u32 = 2;

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
/// before by mistake; and at once against one that is lost. Nor for a candidate that it comes before, by its log or, if the
/// logs are the same, by the order of the heirs: it stands itself, for who stands too splits the votes.
///
/// # Errors
/// The group has stopped.
pub(super) async fn pre_vote(
    group: &Group,
    detector: &Detector,
    shard: ShardId,
    request: VoteRequest<Types>,
) -> Result<VoteResponse<Types>, RaftError<Types>> {
    let (vote, heard) = group
        .with_raft_state(|state| (*state.vote_ref(), state.vote_last_modified()))
        .await
        .map_err(RaftError::Fatal)?;
    let (me, leader) = (*group.node_id(), vote.leader_id.voted_for);
    let lease = Duration::from_millis(group.config().election_timeout_max);
    let within = |time| heard.is_some_and(|at| at.elapsed() < time);
    let lost = vote.committed && leader != me && detector.lost(leader);
    if lost {
        end(group, vote).await.map_err(RaftError::Fatal)?;
    } else if vote.committed && leader != me && within(lease) {
        return Ok(VoteResponse::new(vote, None, false));
    }
    let (candidate, theirs) = (request.vote.leader_id, request.last_log_id);
    let mut answer = group.pre_vote(request).await?;
    // If the leader is lost, or nobody has won this term. Not for ever: it may be that nobody hears this replica.
    let open = lost || (!vote.committed && within(lease * INSISTING));
    if open && candidate.term > vote.leader_id.term && is_voter(group) {
        let first = heirs::precedes(shard, me, candidate.voted_for) && within(lease * INSISTING);
        if answer.last_log_id > theirs || (answer.last_log_id == theirs && first) {
            answer.vote_granted = false;
            group.trigger().elect(true).await.map_err(RaftError::Fatal)?;
        }
    }
    Ok(answer)
}

fn is_voter(group: &Group) -> bool {
    let server = group.server_metrics();
    server.borrow_watched().membership_config.voter_ids().any(|voter| voter == *group.node_id())
}
