//! Sends a shard's state to another node, chunk by chunk, over a connection of its own.

use bytes::Bytes;
use hansard_domain::ShardId;
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::install_snapshot_request::Chunk;
use hansard_proto::cluster::v1::peer_service_client::PeerServiceClient;
use hansard_storage::{SnapshotError, SnapshotReader};
use openraft::errors::{NetworkError, StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::blocking::blocking;
use super::peers::{MAX_MESSAGE_BYTES, Peer};
use super::snapshot::SnapshotHandle;
use super::types::{Snapshot, SnapshotMeta, Types, Vote};
use super::wire as convert;

/// The version of the rows' format that this code sends and takes.
pub(super) const ROWS_FORMAT: u32 = 1;
/// Chunks read ahead of the network, at most 1 MiB each.
const AHEAD: usize = 2;

/// Sends `snapshot` and waits until it is installed.
pub(super) async fn send(
    shard: ShardId,
    peer: &Peer,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    let SnapshotHandle::Outgoing(reader) = snapshot.snapshot else {
        return Err(failed("this snapshot has no rows to send"));
    };
    let channel = peer.channel().map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
    let mut client = PeerServiceClient::new(channel).max_encoding_message_size(MAX_MESSAGE_BYTES);
    let (chunks, outgoing) = mpsc::channel(AHEAD);
    let head = head(shard, &vote, &snapshot.meta);
    let reading = feed(head, *reader, chunks);
    let calling = client.install_snapshot(peer.request(ReceiverStream::new(outgoing)));
    let (read, answer) = tokio::join!(reading, calling);
    if let Err(error) = read {
        return Err(failed(&format!("the snapshot could not be read: {error}")));
    }
    let answer = answer.map_err(|status| StreamingError::Unreachable(Unreachable::new(&status)))?.into_inner();
    let vote = convert::to_vote(answer.vote).map_err(|error| failed(&error.to_string()))?;
    Ok(SnapshotResponse::new(vote))
}

fn failed(reason: &str) -> StreamingError<Types> {
    StreamingError::Network(NetworkError::from_string(reason))
}

fn head(shard: ShardId, vote: &Vote, meta: &SnapshotMeta) -> wire::SnapshotHead {
    wire::SnapshotHead {
        shard: Bytes::copy_from_slice(shard.as_bytes()),
        vote: Some(convert::from_vote(vote)),
        last: meta.last_log_id.as_ref().map(convert::from_log_id),
        membership: Some(convert::from_membership(&meta.last_membership)),
        format: ROWS_FORMAT,
    }
}

/// Reads chunks as fast as they are taken. Ends early, and well, when the other side has stopped taking them.
async fn feed(
    head: wire::SnapshotHead,
    mut reader: SnapshotReader,
    chunks: mpsc::Sender<wire::InstallSnapshotRequest>,
) -> Result<(), SnapshotError> {
    let message = |chunk| wire::InstallSnapshotRequest { chunk: Some(chunk) };
    let mut sum = ChunkSum::default();
    let mut sent = chunks.send(message(Chunk::Head(head))).await;
    while sent.is_ok() {
        let Some(rows) = blocking(|| reader.next_chunk())? else { break };
        sum.add(&rows);
        failpoint::pass(Point::SnapshotSend);
        sent = chunks.send(message(Chunk::Rows(rows))).await;
    }
    // An error here is the other side's: its answer says why.
    let _ = chunks.send(message(Chunk::Tail(sum.tail()))).await;
    Ok(())
}

/// Counts and sums chunks, on both sides.
#[derive(Default)]
pub(super) struct ChunkSum {
    chunks: u64,
    crc: u32,
}

impl ChunkSum {
    pub(super) fn add(&mut self, chunk: &Bytes) {
        self.chunks += 1;
        self.crc = crc32c::crc32c_append(self.crc, chunk);
    }

    pub(super) fn tail(&self) -> wire::SnapshotTail {
        wire::SnapshotTail { chunks: self.chunks, crc: self.crc }
    }
}
