//! Proposals on their way to a node.

use bytes::BufMut;
use hansard_domain::{PersonId, RequestId, RoomId, ShardId};

use super::fields::{bytes_len, len_len, number_len, put_bytes, put_len, put_number};

/// Numbers of `LinkRequest.calls` and `NodeCall.propose`.
const CALLS: u32 = 2;
const PROPOSE: u32 = 10;

/// A `NodeCall` that proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposeCall<'a> {
    /// The call's id.
    pub id: u64,
    /// The shard.
    pub shard: ShardId,
    /// The shard's placement epoch.
    pub epoch: u64,
    /// For whom.
    pub person: PersonId,
    /// The person's epoch.
    pub person_epoch: u64,
    /// The person's token has the role "operator".
    pub operator: bool,
    /// W3C trace context; may be empty.
    pub traceparent: &'a str,
    /// How long the router still waits, milliseconds.
    pub deadline_ms: u32,
    /// The room.
    pub room: RoomId,
    /// The request.
    pub request: RequestId,
    /// domain's action number: one that has neither a person nor a role nor a visibility.
    pub action: u16,
    /// The seq that the action is about, or 0.
    pub target_seq: u64,
    /// The content in domain's content format.
    pub content: &'a [u8],
}

/// Adds a proposal to the bytes of a `LinkRequest`.
pub fn put_call(out: &mut impl BufMut, call: &ProposeCall<'_>) {
    let principal = 18 + number_len(call.person_epoch) + number_len(call.operator.into());
    let propose =
        18 + 18 + number_len(call.action.into()) + number_len(call.target_seq) + bytes_len(call.content.len());
    let body = number_len(call.id)
        + 18
        + number_len(call.epoch)
        + len_len(principal)
        + bytes_len(call.traceparent.len())
        + number_len(call.deadline_ms.into())
        + len_len(propose);
    put_len(out, CALLS, body);
    put_number(out, 1, call.id);
    put_bytes(out, 2, call.shard.as_bytes());
    put_number(out, 3, call.epoch);
    put_len(out, 4, principal);
    put_bytes(out, 1, call.person.as_bytes());
    put_number(out, 2, call.person_epoch);
    put_number(out, 3, call.operator.into());
    put_bytes(out, 5, call.traceparent.as_bytes());
    put_number(out, 6, call.deadline_ms.into());
    put_len(out, PROPOSE, propose);
    put_bytes(out, 1, call.room.as_bytes());
    put_bytes(out, 2, call.request.as_bytes());
    put_number(out, 3, call.action.into());
    put_number(out, 5, call.target_seq);
    put_bytes(out, 8, call.content);
}

#[cfg(test)]
mod tests {
    use hansard_domain::Action;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::cluster::v1::{LinkRequest, NodeCall, Principal, node_call};
    use crate::convert;

    proptest! {
        #[test]
        fn calls_are_written_as_the_generated_code_does(
            ids: [[u8; 16]; 4], id: u64, epochs: [u64; 2], operator: bool, traceparent in "[a-f0-9-]{0,60}",
            deadline_ms: u32, mark: Option<u64>, content: Vec<u8>,
        ) {
            let (room, request) = (RoomId::from_bytes(ids[0]), RequestId::from_bytes(ids[1]));
            let (shard, person) = (ShardId::from_bytes(ids[2]), PersonId::from_bytes(ids[3]));
            let action = mark.map_or(Action::SendMessage { room }, |seq| Action::MarkRead { room, seq });
            let call = NodeCall {
                id,
                shard: convert::bytes(shard),
                epoch: epochs[0],
                principal: Some(Principal { person: convert::bytes(person), epoch: epochs[1], operator }),
                traceparent: traceparent.clone(),
                deadline_ms,
                call: convert::propose(request, &action, content.clone().into()).map(node_call::Call::Propose),
            };
            let two = LinkRequest { calls: vec![call.clone(), call], ..LinkRequest::default() }.encode_to_vec();
            let mut out = Vec::new();
            for _ in 0..2 {
                put_call(&mut out, &ProposeCall {
                    id, shard, epoch: epochs[0], person, person_epoch: epochs[1], operator, traceparent: &traceparent,
                    deadline_ms, room, request, action: action.number(), target_seq: mark.unwrap_or_default(),
                    content: &content,
                });
            }
            prop_assert_eq!(out, two);
        }
    }
}
