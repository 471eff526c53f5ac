//! `ClusterService`.

use bytes::Bytes;
use hansard_domain::{ClusterId, Refusal, ShardId, limits::MAX_TOKEN_ID_BYTES};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::operate::Command;
use hansard_proto::cluster::v1::{MoveShard, NodeStatus, Operate, ReadStatus, RevokeTokenId, ShardStatus, Status};
use hansard_proto::convert::bytes;
use hansard_proto::v1;
use hansard_proto::v1::revoke_token_request::Target as Revoke;
use hansard_proto::{convert as wire, status as errors};
use tonic::Code;

use super::Cx;
use crate::directory::Target;
use crate::limits::{STATUS_CONFIRM, STATUS_KNOWN};
use crate::refuse::{Fault, field, unavailable, wrong_answer};
use crate::{fields, reason};

/// Longest shard name or id, bytes.
const MAX_SHARD_BYTES: usize = 64;

pub(super) async fn status(
    cx: &Cx<'_>,
    _asked: v1::GetClusterStatusRequest,
) -> Result<v1::GetClusterStatusResponse, Fault> {
    let confirmed = cx.ask(Target::Meta, Call::ReadStatus(ReadStatus { confirmed: true }));
    let (view, unconfirmed) = match tokio::time::timeout(STATUS_CONFIRM, confirmed).await {
        Ok(Ok(Outcome::StatusView(view))) => (view, false),
        Ok(Ok(_)) => return Err(wrong_answer()),
        Ok(Err(fault)) if !is_unavailable(&fault) => return Err(fault),
        // The status is wanted most when something is broken.
        Ok(Err(_)) | Err(_) => (best_known(cx).await?, true),
    };
    let mut nodes: Vec<v1::Node> = view.nodes.iter().filter_map(|node| shown_node(node, &view.shards)).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(v1::GetClusterStatusResponse {
        cluster: ClusterId::from_slice(&view.cluster).map(|id| id.to_string()).unwrap_or_default(),
        nodes,
        shards: view.shards.iter().map(shown_shard).collect(),
        unconfirmed,
    })
}

/// What the node knows that knows most of those that answer.
async fn best_known(cx: &Cx<'_>) -> Result<Status, Fault> {
    let asked = Call::ReadStatus(ReadStatus { confirmed: false });
    let answers = cx.edge.upstream.ask_all(cx.who, asked, STATUS_KNOWN).await;
    let views = answers.into_iter().filter_map(|answer| match answer {
        Outcome::StatusView(view) => Some(view),
        _ => None,
    });
    let nobody = || unavailable(reason::NO_LEADER, "no node says what it knows of the cluster; try again");
    views.max_by_key(|view| view.revision).ok_or_else(|| Fault::There(nobody()))
}

fn is_unavailable(fault: &Fault) -> bool {
    let (Fault::Here(status) | Fault::There(status)) = fault;
    errors::code_of(status) == Code::Unavailable
}

pub(super) async fn join_node(cx: &Cx<'_>, asked: v1::JoinNodeRequest) -> Result<v1::JoinNodeResponse, Fault> {
    operate(cx, &asked.request_id, || Ok(Command::JoinNode(node("node", asked.node)?))).await?;
    Ok(v1::JoinNodeResponse {})
}

pub(super) async fn decommission_node(
    cx: &Cx<'_>,
    asked: v1::DecommissionNodeRequest,
) -> Result<v1::DecommissionNodeResponse, Fault> {
    operate(cx, &asked.request_id, || Ok(Command::DecommissionNode(node("node", asked.node)?))).await?;
    Ok(v1::DecommissionNodeResponse {})
}

pub(super) async fn transfer_leader(
    cx: &Cx<'_>,
    asked: v1::TransferLeaderRequest,
) -> Result<v1::TransferLeaderResponse, Fault> {
    let to = || {
        let (shard, to_node) = (shard(&asked.shard)?, node("to_node", asked.to_node)?);
        Ok(Command::TransferLeader(MoveShard { shard, from_node: 0, to_node }))
    };
    operate(cx, &asked.request_id, to).await?;
    Ok(v1::TransferLeaderResponse {})
}

pub(super) async fn move_replica(cx: &Cx<'_>, asked: v1::MoveReplicaRequest) -> Result<v1::MoveReplicaResponse, Fault> {
    let to = || {
        let (from_node, to_node) = (node("from_node", asked.from_node)?, node("to_node", asked.to_node)?);
        Ok(Command::MoveReplica(MoveShard { shard: shard(&asked.shard)?, from_node, to_node }))
    };
    operate(cx, &asked.request_id, to).await?;
    Ok(v1::MoveReplicaResponse {})
}

pub(super) async fn revoke_token(cx: &Cx<'_>, asked: v1::RevokeTokenRequest) -> Result<v1::RevokeTokenResponse, Fault> {
    let what = || match &asked.target {
        Some(Revoke::TokenId(id)) if (1..=MAX_TOKEN_ID_BYTES).contains(&id.len()) => {
            Ok(Command::RevokeToken(RevokeTokenId { token_id: id.clone() }))
        }
        Some(Revoke::Person(person)) => Ok(Command::RevokePerson(bytes(fields::person("person", person)?))),
        _ => Err(field(reason::BAD_ID, "target", "say which token by its `jti` in `token_id`, or which `person`")),
    };
    operate(cx, &asked.request_id, what).await?;
    Ok(v1::RevokeTokenResponse {})
}

async fn operate(cx: &Cx<'_>, request: &str, command: impl FnOnce() -> Result<Command, Fault>) -> Result<(), Fault> {
    if !cx.who.operator {
        let refused = Refusal::NotOperator;
        return Err(Fault::Here(errors::new(Code::PermissionDenied, refused.reason(), refused.to_string())));
    }
    let request_id: Bytes = bytes(fields::request(request)?);
    let call = Call::Operate(Operate { request_id, command: Some(command()?) });
    match cx.ask(Target::Meta, call).await? {
        Outcome::Done(_) => Ok(()),
        _ => Err(wrong_answer()),
    }
}

fn node(name: &str, id: u64) -> Result<u64, Fault> {
    if id == 0 {
        return Err(field(reason::BAD_ID, name, format!("`{name}` is missing; GetClusterStatus lists the nodes' ids")));
    }
    Ok(id)
}

fn shard(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.len() > MAX_SHARD_BYTES {
        return Err(field(
            reason::BAD_ID,
            "shard",
            "`shard` must be a shard's id or name; GetClusterStatus lists them",
        ));
    }
    Ok(text.to_owned())
}

fn shown_node(status: &NodeStatus, shards: &[ShardStatus]) -> Option<v1::Node> {
    let node = status.node.as_ref()?;
    let count = |of: &dyn Fn(&ShardStatus) -> bool| u32::try_from(shards.iter().filter(|s| of(s)).count()).unwrap_or(0);
    Some(v1::Node {
        id: node.id,
        name: node.name.clone(),
        site: node.site.clone(),
        address: node.address.clone(),
        state: i32::try_from(status.state).unwrap_or(0),
        reachable: status.reachable,
        voters: count(&|shard| shard.voters.contains(&node.id)),
        leaders: count(&|shard| shard.leader == node.id),
    })
}

fn shown_shard(shard: &ShardStatus) -> v1::Shard {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    v1::Shard {
        id: ShardId::from_slice(&shard.shard).map(wire::text).unwrap_or_default(),
        name: shard.name.clone(),
        voters: shard.voters.clone(),
        learners: shard.learners.clone(),
        leader: shard.leader,
        epoch: shard.epoch,
        applied_index: shard.applied_index,
        record_size: shard.record_size,
        record_root: hex(&shard.record_root),
    }
}
