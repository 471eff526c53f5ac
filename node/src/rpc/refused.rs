//! Refusals that no shard of rooms decided: they are noted in the person's home shard, wherever that is led.

use std::{sync::Arc, time::Duration};

use hansard_domain::{NodeId, PersonId, Refusal, ShardId, meta::ShardPlace};
use hansard_proto::{cluster::v1 as wire, convert::bytes, status};
use tonic::{Code, Status};

use crate::{shard::ProposeError, state::Node};

/// How long the home shard's leader is looked for. The person is answered after that.
const SEARCH: Duration = Duration::from_secs(2);

/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(50);

/// Notes a refusal of a person. Routers refuse and report most of what they can; this is for one that did not.
pub(super) async fn note(node: &Arc<Node>, person: PersonId, reason: Refusal) {
    let Some(view) = node.view() else { return };
    let Some(home) = view.home_of(person) else { return };
    let why = match tokio::time::timeout(SEARCH, note_at_leader(node, home, person, reason)).await {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => "its leader was not found in time".to_owned(),
    };
    tracing::warn!(shard = %home.shard, why, "a refusal was not recorded");
}

/// Asks the leader, then whoever is said to lead, then all voters, until one notes it. What may have been noted is not
/// noted again: better once too few than a refusal made up.
async fn note_at_leader(node: &Arc<Node>, home: &ShardPlace, person: PersonId, reason: Refusal) -> Result<(), String> {
    let mut hint = node.directory.leader(home.shard).map(|(_, leader)| leader);
    loop {
        for target in hint.take().into_iter().chain(home.voters.iter().copied()) {
            hint = match target == node.local.id {
                true => note_here(node, home.shard, person, reason).await.map_err(|error| error.to_string())?,
                false => note_there(node, target, home.shard, person, reason).await?,
            };
            match hint {
                None => return Ok(()),
                Some(0) => hint = None,
                Some(_) => break,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Notes it in this node's replica. `Some(leader)`: this node does not lead, that one may (0: nobody is known).
pub(super) async fn note_here(
    node: &Arc<Node>,
    shard: ShardId,
    person: PersonId,
    reason: Refusal,
) -> Result<Option<NodeId>, ProposeError> {
    let Some(replica) = node.host.get(shard) else { return Ok(Some(0)) };
    match replica.note_refusal(person, None, reason).await {
        Ok(()) => Ok(None),
        Err(ProposeError::NotLeader { leader }) => Ok(Some(leader.unwrap_or(0))),
        Err(error) => Err(error),
    }
}

/// The same at another node; one that cannot be reached does not lead.
async fn note_there(
    node: &Arc<Node>,
    target: NodeId,
    shard: ShardId,
    person: PersonId,
    reason: Refusal,
) -> Result<Option<NodeId>, String> {
    let Some(info) = node.lookup(target) else { return Ok(Some(0)) };
    let mut client = node.calls.client(&info.address).map_err(|error| error.to_string())?;
    let request = wire::NoteRefusalRequest {
        shard: bytes(shard),
        cluster: node.binding.to_wire(),
        person: bytes(person),
        reason: reason.reason().to_owned(),
    };
    match client.note_refusal(request).await {
        Ok(answer) => {
            let wire::NoteRefusalResponse { done, leader } = answer.into_inner();
            Ok((!done).then_some(leader))
        }
        Err(error) if not_reached(&error) => Ok(Some(0)),
        Err(error) => Err(error.message().to_owned()),
    }
}

/// Whether the call surely did not reach anybody, as far as gRPC can tell: a refusal of the node's own has a reason.
fn not_reached(error: &Status) -> bool {
    error.code() == Code::Unavailable && status::reason_of(&status::from_tonic(error)).is_none()
}

/// The refusal with this reason; what only the wire can be wrong about counts as a malformed request.
pub(super) fn of_reason(reason: &str) -> Refusal {
    Refusal::ALL.iter().copied().find(|refusal| refusal.reason() == reason).unwrap_or(Refusal::InvalidAction)
}
