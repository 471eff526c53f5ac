//! Sends a shard's state to another node, chunk by chunk, over a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use hansard_domain::ShardId;
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::install_snapshot_request::Chunk;
use hansard_proto::cluster::v1::peer_service_client::PeerServiceClient;
use hansard_storage::{SnapshotError, SnapshotReader, Taken};
use openraft::errors::{NetworkError, StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::blocking::blocking;
use super::peers::{MAX_MESSAGE_BYTES, Peer};
use super::shelf::Outgoing;
use super::transfers::{Pacer, Transfers};
use super::types::{SnapshotMeta, Types, Vote};
use super::wire as convert;

/// The version of the rows' format that this code sends and takes.
pub(super) const ROWS_FORMAT: u32 = 1;
/// How long a peer may take to say what it has: a connection of its own over a link that others' entries fill.
const OFFER: Duration = Duration::from_secs(15);
/// Chunks read ahead of the network, at most 1 MiB each.
const AHEAD: usize = 2;

/// A snapshot on its way to a peer, over one connection.
pub(super) struct Sending<'a> {
    shard: ShardId,
    peer: &'a Peer,
    meta: &'a SnapshotMeta,
    client: PeerServiceClient<Channel>,
}

impl<'a> Sending<'a> {
    /// Connects when it is used.
    pub(super) fn new(shard: ShardId, peer: &'a Peer, meta: &'a SnapshotMeta) -> Result<Self, StreamingError<Types>> {
        let channel = peer.channel().map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
        let client = PeerServiceClient::new(channel).max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Sending { shard, peer, meta, client })
    }

    /// Asks how much of it the peer has.
    pub(super) async fn offer(&mut self) -> Result<Taken, StreamingError<Types>> {
        let offer = wire::OfferSnapshotRequest {
            shard: Bytes::copy_from_slice(self.shard.as_bytes()),
            last: self.meta.last_log_id.as_ref().map(convert::from_log_id),
        };
        let offered = tokio::time::timeout(OFFER, self.client.offer_snapshot(self.peer.request(offer))).await;
        let offered = offered.map_err(|_| failed("the offer of a snapshot was not answered in time"))?;
        Ok(to_taken(offered.map_err(unreachable)?.into_inner().taken))
    }

    /// Sends what the peer lacks, and waits until it is installed.
    pub(super) async fn send(
        &mut self,
        transfers: &Transfers,
        vote: Vote,
        outgoing: &Outgoing,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let taken = self.offer().await?;
        let (shard, peer) = (self.shard, self.peer);
        let (chunks, stream) = mpsc::channel(AHEAD);
        let reader = outgoing.source.reader_after(taken);
        if reader.taken() != Taken::default() {
            tracing::info!(%shard, peer = peer.node().id, chunks = taken.chunks, "a snapshot goes on where it stopped");
        }
        let head = head(shard, &vote, self.meta, reader.taken());
        let reading = feed(head, reader, chunks, &transfers.sending);
        let calling = self.client.install_snapshot(peer.request(ReceiverStream::new(stream)));
        let (read, answer) = tokio::join!(reading, calling);
        if let Err(error) = read {
            return Err(failed(&format!("the snapshot could not be read: {error}")));
        }
        let answer = answer.map_err(unreachable)?.into_inner();
        let vote = convert::to_vote(answer.vote).map_err(|error| failed(&error.to_string()))?;
        Ok(SnapshotResponse::new(vote))
    }
}

fn failed(reason: &str) -> StreamingError<Types> {
    StreamingError::Network(NetworkError::from_string(reason))
}

fn unreachable(status: Status) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::new(&status))
}

fn head(shard: ShardId, vote: &Vote, meta: &SnapshotMeta, after: Taken) -> wire::SnapshotHead {
    wire::SnapshotHead {
        shard: Bytes::copy_from_slice(shard.as_bytes()),
        vote: Some(convert::from_vote(vote)),
        last: meta.last_log_id.as_ref().map(convert::from_log_id),
        membership: Some(convert::from_membership(&meta.last_membership)),
        format: ROWS_FORMAT,
        after: Some(from_taken(after)),
    }
}

pub(super) fn from_taken(taken: Taken) -> wire::SnapshotTaken {
    wire::SnapshotTaken { chunks: taken.chunks, crc: taken.crc }
}

/// None is nothing.
pub(super) fn to_taken(taken: Option<wire::SnapshotTaken>) -> Taken {
    taken.map(|taken| Taken { chunks: taken.chunks, crc: taken.crc }).unwrap_or_default()
}

/// Its end.
pub(super) fn tail(taken: Taken) -> wire::SnapshotTail {
    wire::SnapshotTail { chunks: taken.chunks.into(), crc: taken.crc }
}

/// Reads chunks as fast as they are taken, and no faster than is allowed. Ends early, and well, when the other side has stopped
/// taking them.
async fn feed(
    head: wire::SnapshotHead,
    mut reader: SnapshotReader,
    chunks: mpsc::Sender<wire::InstallSnapshotRequest>,
    pacer: &Pacer,
) -> Result<(), SnapshotError> {
    let message = |chunk| wire::InstallSnapshotRequest { chunk: Some(chunk) };
    let mut sent = chunks.send(message(Chunk::Head(head))).await;
    while sent.is_ok() {
        let Some(rows) = blocking(|| reader.next_chunk())? else { break };
        failpoint::pass(Point::SnapshotSend);
        pacer.pass(rows.len()).await;
        sent = chunks.send(message(Chunk::Rows(rows))).await;
    }
    // An error here is the other side's: its answer says why.
    let _ = chunks.send(message(Chunk::Tail(tail(reader.taken())))).await;
    Ok(())
}
