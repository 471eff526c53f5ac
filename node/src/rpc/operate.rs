//! Operators' commands, on the node that leads meta.

use std::sync::Arc;

use hansard_domain::{
    PersonId, Refusal, RequestId, ShardId,
    meta::{MetaAction, MetaOutcome, MetaView},
};
use hansard_proto::{
    cluster::v1::{self as wire, operate::Command},
    convert::id_of_bytes,
    reason,
    rpc::Status,
    status,
};
use tonic::Code;

use super::{calls::Principal, refused, reply, status_view::name_of};
use crate::{error::invalid, meta, shard::MetaShard, state::Node};

/// Does what an operator wants.
pub(super) async fn operate(
    node: &Arc<Node>,
    principal: Principal,
    wanted: &wire::Operate,
) -> Result<wire::Done, Status> {
    if !principal.operator {
        refused::note(node, principal.person, Refusal::NotOperator).await;
        return Err(status::from_refusal(Refusal::NotOperator));
    }
    let replica = node.host.meta().ok_or_else(|| reply::not_leader(None))?;
    let led = *replica.leadership().borrow();
    if !led.serving {
        return Err(reply::not_leader(led.leader.filter(|leader| *leader != node.local.id)));
    }
    let request = id_of_bytes("request_id", &wanted.request_id)?;
    let view = replica.view().borrow().clone();
    let action = match wanted.command.as_ref().ok_or_else(|| invalid("the command is empty"))? {
        // No times of this node's: the same request, asked again elsewhere, must be the same command.
        Command::RevokeToken(token) => MetaAction::RevokeToken { token: token.token_id.clone(), expires_s: 0 },
        Command::RevokePerson(person) => {
            MetaAction::RevokePerson { person: id_of_bytes("revoke_person", person)?, not_before_s: 0 }
        }
        Command::JoinNode(id) => MetaAction::ActivateNode(*id),
        Command::DecommissionNode(id) => MetaAction::DecommissionNode(*id),
        Command::TransferLeader(wanted) => {
            let shard = shard_named(&view, &wanted.shard)?;
            let done = meta::transfer_leader(node, &view, shard, wanted.to_node).await;
            return done.map(|()| wire::Done {}).map_err(not_done);
        }
        Command::MoveReplica(wanted) => {
            let shard = shard_named(&view, &wanted.shard)?;
            let done = meta::move_replica(node, &replica, shard, wanted.from_node, wanted.to_node).await;
            return done.map(|()| wire::Done {}).map_err(not_done);
        }
    };
    put(node, &replica, principal.person, request, action).await
}

async fn put(
    node: &Arc<Node>,
    replica: &MetaShard,
    actor: PersonId,
    request: RequestId,
    action: MetaAction,
) -> Result<wire::Done, Status> {
    let command = meta::command(node, actor, request, action);
    match replica.propose(command).await.map_err(reply::proposing)? {
        MetaOutcome::Refused(refusal) => Err(status::from_refusal(refusal)),
        _ => Ok(wire::Done {}),
    }
}

/// A shard by its id, or by its name in the cluster's status.
fn shard_named(view: &MetaView, text: &str) -> Result<ShardId, Status> {
    let named = view.places().map(|place| place.shard).find(|shard| name_of(view, *shard) == text);
    let by_id = || text.parse().ok().filter(|shard| view.place(*shard).is_some());
    named.or_else(by_id).ok_or_else(|| status::from_refusal(Refusal::ShardUnknown))
}

fn not_done(why: String) -> Status {
    status::retryable(Code::Unavailable, reason::OUTCOME_UNKNOWN, why, status::DEFAULT_RETRY)
}
