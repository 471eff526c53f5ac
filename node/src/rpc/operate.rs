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

use super::{calls::Principal, reply, status_view::name_of};
use crate::{error::invalid, meta, shard::MetaShard, shard::RefusalReport, state::Node};

/// Does what an operator wants.
pub(super) async fn operate(
    node: &Arc<Node>,
    principal: Principal,
    wanted: &wire::Operate,
) -> Result<wire::Done, Status> {
    if !principal.operator {
        record_refusal(node, principal.person).await;
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
            let done = meta::move_replica(node, &view, shard, wanted.from_node, wanted.to_node).await;
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

/// Notes in the person's home shard that an operator's command was refused. A router refuses such commands itself and
/// records them there; this is for one that did not, as far as this node leads that shard.
async fn record_refusal(node: &Arc<Node>, person: PersonId) {
    let home = node.view().and_then(|view| view.home_of(person).map(|place| place.shard));
    let Some(shard) = home.and_then(|shard| node.host.get(shard)) else { return };
    let now_us = node.seams.clock.now_us();
    let report =
        RefusalReport { person, room: None, reason: Refusal::NotOperator, count: 1, first_us: now_us, last_us: now_us };
    if let Err(error) = shard.report_refusals(report).await {
        tracing::info!(%error, "the refusal of an operator's command was not recorded here");
    }
}

/// The refusal with this reason; what only the wire can be wrong about counts as a malformed request.
pub(super) fn refusal(reason: &str) -> Refusal {
    Refusal::ALL.iter().copied().find(|refusal| refusal.reason() == reason).unwrap_or(Refusal::InvalidAction)
}
