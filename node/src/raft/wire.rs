//! Consensus messages between openraft's types and the wire's.

use std::collections::BTreeMap;

use bytes::Bytes;
use hansard_proto::cluster::v1 as wire;
use hansard_storage::LogEntry;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::entry::Entry;
use super::membership;
use super::node_info::{Member, NodeInfo};
use super::types::{LogId, Membership, StoredMembership, Types, Vote, log_id, parts};

/// A message of a peer that is not what the protocol says. The peer is newer, older or broken; nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("consensus message is malformed: {0}")]
pub struct WireError(pub String);

fn missing(field: &str) -> WireError {
    WireError(format!("{field} is missing"))
}

/// To the wire.
pub(super) fn from_vote(vote: &Vote) -> wire::Vote {
    wire::Vote { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
}

/// From the wire.
pub(super) fn to_vote(vote: Option<wire::Vote>) -> Result<Vote, WireError> {
    let vote = vote.ok_or_else(|| missing("vote"))?;
    Ok(if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) })
}

/// To the wire.
pub(super) fn from_log_id(id: &LogId) -> wire::LogId {
    let (term, index) = parts(id);
    wire::LogId { term, index }
}

/// From the wire.
pub(super) fn to_log_id(id: wire::LogId) -> LogId {
    log_id(id.term, id.index)
}

/// To the wire. Entries go as the log's own frames.
pub(super) fn from_append(request: &AppendEntriesRequest<Types>) -> wire::Append {
    wire::Append {
        vote: Some(from_vote(&request.vote)),
        previous: request.prev_log_id.as_ref().map(from_log_id),
        committed: request.leader_commit.as_ref().map(from_log_id),
        entries: request.entries.iter().map(|entry| entry.to_stored().encoded()).collect(),
    }
}

/// From the wire, checksums and sequence checked: a hole must never reach the log.
pub(super) fn to_append(append: wire::Append) -> Result<AppendEntriesRequest<Types>, WireError> {
    let previous = append.previous.map(to_log_id);
    let mut entries: Vec<Entry> = Vec::with_capacity(append.entries.len());
    for frame in append.entries {
        // A copy: what gRPC took in is larger, and would stay as long as the log keeps the entry in memory, by its own length.
        let stored = LogEntry::decode(Bytes::copy_from_slice(&frame)).map_err(|error| WireError(error.to_string()))?;
        let entry = Entry::from_stored(stored).map_err(|error| WireError(error.to_string()))?;
        let before = entries.last().map(Entry::position).or(previous);
        let follows = before.is_none_or(|before| before.index.checked_add(1) == Some(entry.position().index));
        if !follows {
            return Err(WireError("entries are not in sequence".to_owned()));
        }
        entries.push(entry);
    }
    Ok(AppendEntriesRequest {
        vote: to_vote(append.vote)?,
        prev_log_id: previous,
        leader_commit: append.committed.map(to_log_id),
        entries,
    })
}

/// To the wire.
pub(super) fn from_appended(result: &StreamAppendResult<Types>) -> wire::Appended {
    use wire::appended::Outcome;
    let outcome = match result {
        Ok(Some(upto)) => Outcome::Upto(from_log_id(upto)),
        Ok(None) => Outcome::Done(wire::Done {}),
        Err(StreamAppendError::Conflict(at)) => Outcome::Conflict(from_log_id(at)),
        Err(StreamAppendError::HigherVote(vote)) => Outcome::Higher(from_vote(vote)),
    };
    wire::Appended { outcome: Some(outcome) }
}

/// From the wire, as the answer to an append whose last log id was `sent`.
pub(super) fn to_appended(answer: wire::Appended, sent: Option<LogId>) -> Result<StreamAppendResult<Types>, WireError> {
    use wire::appended::Outcome;
    Ok(match answer.outcome.ok_or_else(|| missing("outcome"))? {
        Outcome::Upto(upto) => Ok(Some(to_log_id(upto))),
        Outcome::Done(_) => Ok(sent),
        Outcome::Conflict(at) => Err(StreamAppendError::Conflict(to_log_id(at))),
        Outcome::Higher(vote) => Err(StreamAppendError::HigherVote(to_vote(Some(vote))?)),
    })
}

/// To the wire.
pub(super) fn from_vote_request(request: &VoteRequest<Types>) -> wire::RequestVote {
    wire::RequestVote {
        vote: Some(from_vote(&request.vote)),
        last: request.last_log_id.as_ref().map(from_log_id),
        hand_over: request.leadership_transfer,
    }
}

/// From the wire.
pub(super) fn to_vote_request(request: wire::RequestVote) -> Result<VoteRequest<Types>, WireError> {
    let mut vote = VoteRequest::new(to_vote(request.vote)?, request.last.map(to_log_id));
    vote.leadership_transfer = request.hand_over;
    Ok(vote)
}

/// To the wire.
pub(super) fn from_vote_response(response: &VoteResponse<Types>) -> wire::Voted {
    wire::Voted {
        vote: Some(from_vote(&response.vote)),
        granted: response.vote_granted,
        last: response.last_log_id.as_ref().map(from_log_id),
    }
}

/// From the wire.
pub(super) fn to_vote_response(answer: wire::Voted) -> Result<VoteResponse<Types>, WireError> {
    Ok(VoteResponse::new(to_vote(answer.vote)?, answer.last.map(to_log_id), answer.granted))
}

/// To the wire.
pub(super) fn from_hand_over(request: &TransferLeaderRequest<Types>) -> wire::HandOver {
    wire::HandOver {
        from: Some(from_vote(request.from_leader())),
        to: *request.to_node_id(),
        last: request.last_log_id().map(from_log_id),
    }
}

/// From the wire.
pub(super) fn to_hand_over(request: wire::HandOver) -> Result<TransferLeaderRequest<Types>, WireError> {
    Ok(TransferLeaderRequest::new(to_vote(request.from)?, request.to, request.last.map(to_log_id)))
}

/// To the wire; `own` is the answerer's vote when it accepts.
pub(super) fn from_handed_over(response: &TransferLeaderResponse<Types>, own: &Vote) -> wire::HandedOver {
    let vote = match response {
        Err(TransferLeaderError::VoteChanged { actual, .. }) => actual,
        _ => own,
    };
    wire::HandedOver { vote: Some(from_vote(vote)), accepted: response.is_ok() }
}

/// From the wire, as the answer to `asked`.
pub(super) fn to_handed_over(
    answer: wire::HandedOver,
    asked: &TransferLeaderRequest<Types>,
) -> Result<TransferLeaderResponse<Types>, WireError> {
    let actual = to_vote(answer.vote)?;
    let expected = *asked.from_leader();
    Ok(if answer.accepted {
        Ok(())
    } else if actual != expected {
        Err(TransferLeaderError::VoteChanged { expected, actual })
    } else {
        Err(TransferLeaderError::LogNotFlushed { expected: asked.last_log_id().copied(), actual: None })
    })
}

/// To the wire.
pub(super) fn from_membership(stored: &StoredMembership) -> wire::Membership {
    let members = stored.membership();
    let voters = members.get_joint_config().iter();
    wire::Membership {
        voters: voters.map(|ids| wire::VoterSet { nodes: ids.iter().copied().collect() }).collect(),
        nodes: members.nodes().map(|(id, member)| member.node(*id).into()).collect(),
        log_id: stored.log_id().as_ref().map(from_log_id),
    }
}

/// From the wire.
pub(super) fn to_membership(membership: wire::Membership) -> Result<StoredMembership, WireError> {
    let log_id = membership.log_id.map(to_log_id);
    let voters = membership.voters.into_iter().map(|set| set.nodes.into_iter().collect()).collect();
    let nodes: BTreeMap<u64, Member> =
        membership.nodes.into_iter().map(|node| (node.id, NodeInfo::from(node).into())).collect();
    let members = Membership::new(voters, nodes).map_err(|error| WireError(error.to_string()))?;
    if !membership::fits(&members) {
        return Err(WireError("a membership is larger than any that can be kept".to_owned()));
    }
    Ok(StoredMembership::new(log_id, members))
}
