//! Takes a shard's state from its leader and installs it. What has come of one when the stream ends stays, for the next.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hansard_domain::ShardId;
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::install_snapshot_request::Chunk;
use hansard_storage::{Partial, ShardStore, Taken};
use tonic::Status;

use super::blocking::blocking;
use super::send_snapshot::{self, ROWS_FORMAT, from_taken, to_taken};
use super::service::Groups;
use super::snapshot::SnapshotHandle;
use super::transfers::Transfers;
use super::types::{Group, Snapshot, SnapshotMeta, Vote, parts};
use super::wire as convert;

/// Finds the store of a shard that this node serves.
pub trait Stores: Groups {
    /// The store, unless the shard is not here.
    fn store(&self, shard: ShardId) -> Option<ShardStore>;

    /// The bounds that this node keeps.
    fn transfers(&self) -> Arc<Transfers>;
}

/// Tells how much of a snapshot is here.
///
/// # Errors
/// `UNAVAILABLE`: the shard is not served here. `INVALID_ARGUMENT`: not an offer.
pub fn offer_snapshot<S: Stores>(
    shards: &S,
    offer: wire::OfferSnapshotRequest,
) -> Result<wire::OfferSnapshotResponse, Status> {
    let shard = read_shard(&offer.shard)?;
    let last = offer.last.ok_or_else(|| Status::invalid_argument("a snapshot is of an entry"))?;
    let (_, store) = find(shards, shard)?;
    let here = store.partial().filter(|partial| partial.last == (last.term, last.index));
    Ok(wire::OfferSnapshotResponse { taken: here.map(|partial| from_taken(partial.taken)) })
}

/// Receives a snapshot whole, checks it, and installs it.
///
/// # Errors
/// `UNAVAILABLE`: the shard is not served here, or what it should go on from is not here. `INVALID_ARGUMENT`: not a snapshot.
/// `DATA_LOSS`: it came damaged; send it again.
pub async fn install_snapshot<S: Stores>(
    shards: Arc<S>,
    mut chunks: impl Stream<Item = Result<wire::InstallSnapshotRequest, Status>> + Send + Unpin,
) -> Result<wire::InstallSnapshotResponse, Status> {
    let Head { shard, vote, meta, after } = match next(&mut chunks).await? {
        Some(Chunk::Head(head)) => read_head(head)?,
        _ => return Err(Status::invalid_argument("a snapshot starts with its head")),
    };
    let (group, store) = find(&*shards, shard)?;
    let last = meta.last_log_id.as_ref().map(parts).unwrap_or_default();
    let mut writer = blocking(|| match after {
        Taken { chunks: 0, .. } => store.install(),
        taken => store.resume(Partial { last, taken }),
    })
    .map_err(|error| Status::unavailable(error.to_string()))?;
    let transfers = shards.transfers();
    let tail = loop {
        match next(&mut chunks).await? {
            Some(Chunk::Rows(rows)) => {
                transfers.taking.pass(rows.len()).await;
                blocking(|| writer.write(&rows)).map_err(|error| Status::data_loss(error.to_string()))?;
            }
            Some(Chunk::Tail(tail)) => break tail,
            _ => return Err(Status::data_loss("the snapshot ends without its tail")),
        }
    };
    if tail != send_snapshot::tail(writer.taken()) {
        writer.give_up();
        return Err(Status::data_loss("the snapshot's tail does not fit its chunks"));
    }
    failpoint::pass(Point::SnapshotReceived);
    let snapshot = Snapshot { meta, snapshot: SnapshotHandle::Incoming(Box::new(writer)) };
    let answer = group.install_full_snapshot(vote, snapshot).await;
    let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
    failpoint::pass(Point::SnapshotInstalled);
    Ok(wire::InstallSnapshotResponse { vote: Some(convert::from_vote(&answer.vote)) })
}

async fn next(
    chunks: &mut (impl Stream<Item = Result<wire::InstallSnapshotRequest, Status>> + Unpin),
) -> Result<Option<Chunk>, Status> {
    Ok(chunks.next().await.transpose()?.and_then(|message| message.chunk))
}

/// What a head says.
pub(super) struct Head {
    pub(super) shard: ShardId,
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
    /// The chunks before those that follow.
    pub(super) after: Taken,
}

/// Reads a head.
///
/// # Errors
/// `FAILED_PRECONDITION`: rows of another format. `INVALID_ARGUMENT`: not a head.
pub(super) fn read_head(head: wire::SnapshotHead) -> Result<Head, Status> {
    if head.format != ROWS_FORMAT {
        return Err(Status::failed_precondition(format!("snapshot format {} is not {ROWS_FORMAT}", head.format)));
    }
    let bad = |error: convert::WireError| Status::invalid_argument(error.to_string());
    let shard = read_shard(&head.shard)?;
    let membership = head.membership.ok_or_else(|| Status::invalid_argument("a snapshot has a membership"))?;
    let last = head.last.ok_or_else(|| Status::invalid_argument("a snapshot is of an entry"))?;
    let meta = SnapshotMeta {
        last_log_id: Some(convert::to_log_id(last)),
        last_membership: convert::to_membership(membership).map_err(bad)?,
    };
    Ok(Head { shard, vote: convert::to_vote(head.vote).map_err(bad)?, meta, after: to_taken(head.after) })
}

fn read_shard(bytes: &Bytes) -> Result<ShardId, Status> {
    let id: [u8; 16] = Bytes::as_ref(bytes).try_into().map_err(|_| Status::invalid_argument("not a shard id"))?;
    Ok(ShardId::from_bytes(id))
}

fn find<S: Stores>(shards: &S, shard: ShardId) -> Result<(Group, ShardStore), Status> {
    let found = shards.group(shard).zip(shards.store(shard));
    found.ok_or_else(|| Status::unavailable("the shard is not served here"))
}
