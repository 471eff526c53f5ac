//! For `tests/fuzz`, not part of the library's interface: the readers of consensus, which are private to the crate, each
//! followed by its writer.

use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::consensus_request::Call;
use hansard_proto::cluster::v1::consensus_response::Answer;
use hansard_proto::cluster::v1::install_snapshot_request::Chunk;
use prost::Message;

use super::entry::{PayloadError, decode_payload, encode_payload};
use super::types::{Vote, log_id};
use super::wire::{self as convert, WireError};
use super::{membership, take_snapshot};

type Read = Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;

/// The payload of a log entry.
///
/// # Errors
/// The reader's, here and below.
pub fn log_payload(bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
    decode_payload(bytes.to_vec().into()).map(|payload| encode_payload(&payload).to_vec())
}

/// A membership, as it stands beside the applied mark.
pub fn stored_membership(bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
    membership::decode_stored(bytes).map(|stored| membership::encode_stored(&stored))
}

/// A request of a peer, its log entries included.
pub fn consensus_request(bytes: &[u8]) -> Read {
    let mut request = wire::ConsensusRequest::decode(bytes)?;
    request.call = match request.call.take() {
        None => None,
        Some(Call::Append(append)) => Some(Call::Append(convert::from_append(&convert::to_append(append)?))),
        Some(Call::Vote(vote)) => Some(Call::Vote(vote_again(vote)?)),
        Some(Call::PreVote(vote)) => Some(Call::PreVote(vote_again(vote)?)),
        Some(Call::HandOver(order)) => Some(Call::HandOver(convert::from_hand_over(&convert::to_hand_over(order)?))),
    };
    Ok(request.encode_to_vec())
}

fn vote_again(vote: wire::RequestVote) -> Result<wire::RequestVote, WireError> {
    convert::to_vote_request(vote).map(|request| convert::from_vote_request(&request))
}

/// A peer's answer, as that to an append whose last log id is fixed, and to a hand-over by a fixed leader.
pub fn consensus_response(bytes: &[u8]) -> Read {
    let mut response = wire::ConsensusResponse::decode(bytes)?;
    let (leader, last) = (Vote::new_committed(2, 1), log_id(2, 9));
    response.answer = match response.answer.take() {
        Some(Answer::Append(appended)) => {
            Some(Answer::Append(convert::from_appended(&convert::to_appended(appended, Some(last))?)))
        }
        Some(Answer::Vote(voted)) => {
            Some(Answer::Vote(convert::from_vote_response(&convert::to_vote_response(voted)?)))
        }
        Some(Answer::HandOver(answer)) => {
            let asked = openraft::raft::TransferLeaderRequest::new(leader, 3, Some(last));
            let read = convert::to_handed_over(answer, &asked)?;
            Some(Answer::HandOver(convert::from_handed_over(&read, &leader)))
        }
        other => other,
    };
    Ok(response.encode_to_vec())
}

/// A message of a snapshot: its head, which must also fit beside an applied mark, a chunk of rows, or its tail.
pub fn snapshot_message(bytes: &[u8]) -> Read {
    let message = wire::InstallSnapshotRequest::decode(bytes)?;
    let Some(Chunk::Head(head)) = message.chunk else { return Ok(message.encode_to_vec()) };
    let shard = head.shard.clone();
    let read = take_snapshot::read_head(head)?;
    let membership = &read.meta.last_membership;
    membership::decode_stored(&membership::encode_stored(membership))?;
    let head = wire::SnapshotHead {
        shard,
        vote: Some(convert::from_vote(&read.vote)),
        last: read.meta.last_log_id.as_ref().map(convert::from_log_id),
        membership: Some(convert::from_membership(membership)),
        format: super::send_snapshot::ROWS_FORMAT,
        after: Some(super::send_snapshot::from_taken(read.after)),
    };
    Ok(wire::InstallSnapshotRequest { chunk: Some(Chunk::Head(head)) }.encode_to_vec())
}
