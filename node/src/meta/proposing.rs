//! Commands for meta, wherever it is led.

use std::{sync::Arc, time::Duration};

use hansard_domain::{
    Refusal,
    meta::{MetaAction, MetaCommand, MetaOutcome},
};
use hansard_proto::cluster::v1 as wire;
use tokio::time::Instant;

use crate::{error::MetaError, raft::NodeInfo, state::Node};

/// How long a command looks for a leader.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long one node may take for one attempt.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(150);

/// Proposes a command that may be proposed twice without harm.
pub(crate) async fn propose(node: &Arc<Node>, command: MetaCommand) -> Result<MetaOutcome, MetaError> {
    let until = Instant::now() + PATIENCE;
    let mut why = "meta has no leader".to_owned();
    let mut hint = None;
    loop {
        if let Some(outcome) = propose_here(node, &command).await {
            return outcome;
        }
        for target in targets(node, hint.take()) {
            match propose_at(node, &target, &command).await {
                Ok(Ok(outcome)) => return Ok(outcome),
                Ok(Err(leader)) => hint = leader.or(hint),
                Err(error) => why = error,
            }
            if hint.is_some() {
                break;
            }
        }
        if Instant::now() > until {
            return Err(MetaError::Unknown(why));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `None`: this node does not lead.
async fn propose_here(node: &Arc<Node>, command: &MetaCommand) -> Option<Result<MetaOutcome, MetaError>> {
    let meta = node.host.meta().filter(|meta| meta.leadership().borrow().serving)?;
    match meta.propose(command.clone()).await {
        Ok(outcome) => Some(Ok(outcome)),
        Err(_) => None,
    }
}

/// The leader first, if anybody knows it; else everybody.
fn targets(node: &Arc<Node>, hint: Option<u64>) -> Vec<NodeInfo> {
    let led = node.host.meta().and_then(|meta| meta.leadership().borrow().leader);
    let leader = hint.or(led).filter(|id| *id != node.local.id).and_then(|id| node.lookup(id));
    let others = node.known.all().into_iter().filter(|other| other.id != node.local.id);
    leader.into_iter().chain(others).collect()
}

/// `Ok(Err(leader))`: it does not lead, but may know who does.
async fn propose_at(
    node: &Arc<Node>,
    target: &NodeInfo,
    command: &MetaCommand,
) -> Result<Result<MetaOutcome, Option<u64>>, String> {
    let request = wire::ProposeMetaRequest { cluster: node.binding.to_wire(), command: command.encode() };
    let mut client = node.calls.client(&target.address).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(ATTEMPT, client.propose_meta(request)).await;
    let answer = answer.map_err(|_| format!("{target} did not answer in time"))?;
    let answer = answer.map_err(|status| format!("{target}: {}", status.message()))?.into_inner();
    if answer.outcome.is_empty() {
        return Ok(Err((answer.leader != 0).then_some(answer.leader)));
    }
    MetaOutcome::decode(&answer.outcome).map(Ok).map_err(|error| error.to_string())
}

/// Makes this node known to meta under its name, or, where another node has it, under the name and a part of its id: a wiped
/// node comes back as a new one beside its former self.
pub(crate) async fn register(node: &Arc<Node>) -> Result<(), MetaError> {
    match propose(node, command(node, node.local.name.clone())).await? {
        MetaOutcome::Refused(Refusal::NodeNameTaken) => {
            let name = format!("{}-{:08x}", node.local.name, node.local.id >> 32);
            tracing::warn!(name, "another node has this node's name: it is known by this one");
            expect_done(propose(node, command(node, name)).await?)
        }
        outcome => expect_done(outcome),
    }
}

fn command(node: &Arc<Node>, name: String) -> MetaCommand {
    let info = super::commands::listed(NodeInfo { name, ..node.local.clone() });
    super::commands::by_system(node, MetaAction::RegisterNode(info))
}

fn expect_done(outcome: MetaOutcome) -> Result<(), MetaError> {
    match outcome {
        MetaOutcome::Refused(refusal) => Err(MetaError::Refused(refusal)),
        _ => Ok(()),
    }
}
