//! Asks a shard's leader, wherever it is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hansard_domain::{NodeId, ShardId, meta::MetaView};
use hansard_proto::{
    cluster::v1::{self as wire, adjust_shard_request::Change},
    convert::bytes,
};
use tokio::time::Instant;
use tonic::{Response, Status};

use super::info_of;
use crate::{rpc::membership, state::Node};

/// How long one change may take: a new replica catches up meanwhile. It is asked for again after that, and goes on.
const CHANGE: Duration = Duration::from_secs(60);

/// How long the answer to a question may take, and the leader be looked for who has it.
const ANSWER: Duration = Duration::from_secs(2);

/// Between two rounds through the voters.
const ROUND: Duration = Duration::from_millis(300);

/// These nodes, as meta knows them.
pub(super) fn infos(view: &MetaView, ids: &[NodeId]) -> Result<Vec<wire::NodeInfo>, String> {
    let find = |id: &NodeId| view.nodes.get(id).map(|row| info_of(row).into()).ok_or(format!("node {id} is not known"));
    ids.iter().map(find).collect()
}

/// What a leader is asked.
enum Question {
    Change(Change),
    Members,
}

/// The leader's word: the members, if that was the question; or who else may lead (0: nobody known).
type Answer = Result<BTreeSet<NodeId>, NodeId>;

/// Changes a shard. The leader is looked for as long as `search`.
pub(super) async fn adjust(
    node: &Arc<Node>,
    view: &MetaView,
    shard: ShardId,
    change: Change,
    search: Duration,
) -> Result<(), String> {
    ask_leader(node, view, shard, Question::Change(change), search).await.map(drop)
}

/// Whether somebody is a member of a shard, as a quorum of it knows.
pub(super) async fn is_member(node: &Arc<Node>, view: &MetaView, shard: ShardId, who: NodeId) -> Result<bool, String> {
    let members = ask_leader(node, view, shard, Question::Members, ANSWER).await?;
    Ok(members.contains(&who))
}

/// Asks whoever is thought to lead, then all voters, and whomever they name.
async fn ask_leader(
    node: &Arc<Node>,
    view: &MetaView,
    shard: ShardId,
    question: Question,
    search: Duration,
) -> Result<BTreeSet<NodeId>, String> {
    let until = Instant::now() + search;
    let mut hint = node.directory.leader(shard).map(|(_, leader)| leader);
    let voters = view.place(shard).map_or_else(|| known_voters(node, shard), |place| place.voters.clone());
    loop {
        let mut why = String::new();
        for target in hint.take().into_iter().chain(voters.iter().copied()) {
            let answer = match target == node.local.id {
                true => ask_here(node, shard, &question).await,
                false => ask(node, target, shard, &question).await,
            };
            match answer {
                Ok(Ok(members)) => return Ok(members),
                Ok(Err(0)) => {}
                Ok(Err(leader)) => {
                    hint = Some(leader);
                    break;
                }
                Err(error) => why = error,
            }
        }
        if Instant::now() >= until {
            return Err(format!("shard {shard} has no leader that does it: {why}"));
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn ask_here(node: &Arc<Node>, shard: ShardId, question: &Question) -> Result<Answer, String> {
    match question {
        Question::Change(change) => {
            let done = in_time(CHANGE, membership::adjust(node, shard, change.clone())).await?;
            Ok(done.map_or(Ok(BTreeSet::new()), Err))
        }
        Question::Members => in_time(ANSWER, membership::members(node, shard)).await,
    }
}

async fn ask(node: &Arc<Node>, target: NodeId, shard: ShardId, question: &Question) -> Result<Answer, String> {
    let info = node.lookup(target).ok_or_else(|| format!("node {target} is not known"))?;
    let mut peer = node.calls.client(&info.address).map_err(|error| error.to_string())?;
    let (shard, cluster) = (bytes(shard), node.binding.to_wire());
    let answer = match question {
        Question::Change(change) => {
            let request = wire::AdjustShardRequest { shard, cluster, change: Some(change.clone()) };
            let answer = in_time(CHANGE, peer.adjust_shard(request)).await.map(Response::into_inner);
            answer.map(|answer| (answer.done, answer.leader, Vec::new()))
        }
        Question::Members => {
            let answer = in_time(ANSWER, peer.shard_members(wire::ShardMembersRequest { shard, cluster })).await;
            answer.map(Response::into_inner).map(|answer| (answer.done, answer.leader, answer.nodes))
        }
    };
    let (done, leader, members) = answer.map_err(|why| format!("{info}: {why}"))?;
    Ok(if done { Ok(members.into_iter().collect()) } else { Err(leader) })
}

async fn in_time<T>(within: Duration, answer: impl Future<Output = Result<T, Status>>) -> Result<T, String> {
    let answer = tokio::time::timeout(within, answer).await.map_err(|_| "no answer in time".to_owned())?;
    answer.map_err(|status| status.message().to_owned())
}

fn known_voters(node: &Node, shard: ShardId) -> Vec<NodeId> {
    let status = node.host.replica(shard).map(|replica| replica.status());
    status.map(|status| status.voters.iter().map(|voter| voter.id).collect()).unwrap_or_default()
}
