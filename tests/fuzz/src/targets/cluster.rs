//! What nodes and routers say to each other.

use hansard_domain::{Entry, RequestId, RoomId};
use hansard_node::raft::fuzzing as raft;
use hansard_node::raft::handshake;
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::convert::{action_of, event_from_wire, id_of_bytes, propose};
use hansard_proto::json;
use hansard_storage::LogEntry;
use prost::Message;
use tonic::metadata::MetadataMap;

use super::client::{message, protobuf};
use crate::corpus::golden::whole;
use crate::corpus::messages::samples;
use crate::law::{canonical, demand, one_form, refused, settles};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 12] = [
    protobuf("cluster/link-up", || samples("hansard.cluster.v1.LinkRequest"), link_up),
    protobuf("cluster/link-down", || samples("hansard.cluster.v1.LinkResponse"), link_down),
    protobuf("cluster/consensus-up", consensus_up, |input| settles(input, raft::consensus_request)),
    protobuf("cluster/consensus-down", || samples("hansard.cluster.v1.ConsensusResponse"), consensus_down),
    protobuf("cluster/snapshot", snapshots, |input| settles(input, raft::snapshot_message)),
    protobuf("cluster/greet", || samples("hansard.cluster.v1.GreetResponse"), message::<wire::GreetResponse>),
    protobuf(
        "cluster/host-shard",
        || samples("hansard.cluster.v1.HostShardRequest"),
        message::<wire::HostShardRequest>,
    ),
    protobuf(
        "cluster/propose-meta",
        || samples("hansard.cluster.v1.ProposeMetaRequest"),
        message::<wire::ProposeMetaRequest>,
    ),
    protobuf(
        "cluster/adjust-shard",
        || samples("hansard.cluster.v1.AdjustShardRequest"),
        message::<wire::AdjustShardRequest>,
    ),
    Target::new("cluster/log-payload", payloads, one_payload),
    Target::new("cluster/membership", memberships, membership),
    Target::new("cluster/handshake", handshakes, handshaken).shaped(Shape::Text(&[])),
];

/// Calls of routers: what a node takes for an action has one form on the wire.
fn link_up(input: &[u8]) -> Verdict {
    let request = match wire::LinkRequest::decode(input) {
        Ok(request) => request,
        Err(error) => return refused(input, &error),
    };
    for call in &request.calls {
        let Some(Call::Propose(wanted)) = &call.call else { continue };
        let request: Result<RequestId, _> = id_of_bytes("request_id", &wanted.request_id);
        let (Ok(action), Ok(request)) = (action_of(wanted), request) else { continue };
        let written = propose(request, &action, wanted.content.clone());
        demand(written.as_ref() == Some(wanted), || format!("{wanted:?} is read, and written as {written:?}"))?;
    }
    message::<wire::LinkRequest>(input)
}

/// Pages and feeds of nodes: entries come back, and clients can be shown them.
fn link_down(input: &[u8]) -> Verdict {
    let response = match wire::LinkResponse::decode(input) {
        Ok(response) => response,
        Err(error) => return refused(input, &error),
    };
    for entry in response.feeds.iter().flat_map(|feed| &feed.entries) {
        if let Ok(read) = Entry::try_from(entry) {
            let again = Entry::try_from(&wire::Entry::from(&read));
            demand(again.as_ref() == Ok(&read), || format!("{read:?} comes back as {again:?}"))?;
        }
        if let Ok(event) = event_from_wire(RoomId::default(), entry) {
            let in_range = event.time.is_some_and(|time| (0..=253_402_300_799).contains(&time.seconds));
            demand(!in_range || json::encode(&event).is_ok(), || format!("{event:?} has no JSON form"))?;
        }
    }
    message::<wire::LinkResponse>(input)
}

fn consensus_up() -> Vec<Vec<u8>> {
    let mut requests = samples("hansard.cluster.v1.ConsensusRequest");
    // The sample's entries are none: here are entries that follow each other.
    let entries = (8..11).map(|index| LogEntry::new(3, index, &[1, 0]).encoded()).collect();
    let vote = Some(wire::Vote { term: 3, node: 1, committed: true });
    let previous = Some(wire::LogId { term: 2, index: 7 });
    let append = wire::Append { vote, previous, committed: previous, entries };
    let call = wire::consensus_request::Call::Append(append);
    let request = wire::ConsensusRequest { id: 1, shard: vec![5; 16].into(), call: Some(call) };
    requests.retain(|sample| raft::consensus_request(sample).is_ok());
    requests.push(request.encode_to_vec());
    requests
}

fn consensus_down(input: &[u8]) -> Verdict {
    settles(input, raft::consensus_response)
}

fn snapshots() -> Vec<Vec<u8>> {
    let messages = samples("hansard.cluster.v1.InstallSnapshotRequest").into_iter();
    let node = wire::NodeInfo { id: 1, name: "a".into(), site: "boston".into(), address: "h:1".into() };
    let membership = wire::Membership {
        voters: vec![wire::VoterSet { nodes: vec![1] }],
        nodes: vec![node],
        log_id: Some(wire::LogId { term: 1, index: 2 }),
    };
    let head = wire::SnapshotHead {
        shard: vec![5; 16].into(),
        vote: Some(wire::Vote { term: 3, node: 1, committed: true }),
        last: Some(wire::LogId { term: 3, index: 9 }),
        membership: Some(membership),
        format: 1,
        after: Some(wire::SnapshotTaken { chunks: 4, crc: 0x1234_5678 }),
    };
    let head = wire::install_snapshot_request::Chunk::Head(head);
    let head = wire::InstallSnapshotRequest { chunk: Some(head) }.encode_to_vec();
    messages.filter(|sample| raft::snapshot_message(sample).is_ok()).chain([head]).collect()
}

fn payloads() -> Vec<Vec<u8>> {
    let membership = whole(include_str!("../../../../node/src/raft/golden/membership_v1.hex"));
    vec![vec![1, 0], b"\x01\x01a batch".to_vec(), membership]
}

/// A batch goes on to the end of its payload.
fn one_payload(input: &[u8]) -> Verdict {
    one_form(input, raft::log_payload)
}

fn memberships() -> Vec<Vec<u8>> {
    vec![vec![0, 0, 0, 0], whole(include_str!("../../../../node/src/raft/golden/stored_membership_v1.hex"))]
}

fn membership(input: &[u8]) -> Verdict {
    // Nothing at all stands for the empty membership, which has a form of its own.
    if input.is_empty() {
        return Ok(Seen::Taken);
    }
    if input.len() == 1 {
        return settles(input, raft::stored_membership);
    }
    canonical(input, raft::stored_membership)
}

fn handshakes() -> Vec<Vec<u8>> {
    ["17", "18446744073709551615"].map(Into::into).to_vec()
}

/// A node's id in a header is the number that is written there.
fn handshaken(input: &[u8]) -> Verdict {
    let Ok(value) = input.try_into() else { return Ok(Seen::Refused) };
    let mut headers = MetadataMap::new();
    headers.insert(handshake::FROM, value);
    let Some(node) = handshake::node(&headers, handshake::FROM) else { return Ok(Seen::Refused) };
    let sent = handshake::Handshake::default().request(node, node, ());
    let read = [handshake::FROM, handshake::TO].map(|header| handshake::node(sent.metadata(), header));
    demand(read == [Some(node); 2], || format!("{node} is sent, and read as {read:?}"))?;
    Ok(Seen::Taken)
}
