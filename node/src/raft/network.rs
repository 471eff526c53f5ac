//! openraft's network over the peers' streams.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use hansard_domain::ShardId;
use hansard_proto::cluster::v1::consensus_request::Call;
use hansard_proto::cluster::v1::consensus_response::Answer;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::entry::Entry;
use super::node_info::Member;
use super::peers::{Peer, PeerError, Peers, Pending};
use super::pipeline::Pipeline;
use super::send_snapshot::Sending;
use super::shelf::Delivered;
use super::snapshot::SnapshotHandle;
use super::transfers::Transfers;
use super::tuning::CLOSE;
use super::types::{LogId, Snapshot, Types, Vote};
use super::wire;

type AppendAnswers<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

/// Makes one shard's clients of other nodes.
pub struct Network {
    shard: ShardId,
    peers: Arc<Peers>,
    transfers: Arc<Transfers>,
    window: usize,
    within: Duration,
    delivered: Arc<Delivered>,
}

impl Network {
    /// `window` appends may be under way to each node; each request is answered `within` that time or has failed.
    pub fn new(
        shard: ShardId,
        peers: Arc<Peers>,
        transfers: Arc<Transfers>,
        window: usize,
        within: Duration,
    ) -> Network {
        Network { shard, peers, transfers, window, within, delivered: Arc::default() }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, member: &Member) -> Client {
        Client {
            shard: self.shard,
            peer: self.peers.peer(&member.node(target)),
            transfers: self.transfers.clone(),
            window: self.window,
            within: self.within,
            delivered: self.delivered.clone(),
        }
    }
}

/// One shard's client of one other node.
pub struct Client {
    shard: ShardId,
    peer: Arc<Peer>,
    pub(super) transfers: Arc<Transfers>,
    pub(super) window: usize,
    within: Duration,
    delivered: Arc<Delivered>,
}

/// What is known of an append that is under way.
pub(super) struct InFlight {
    pub(super) pending: Pending,
    sent: Option<LogId>,
    /// Index of the last committed entry when it was sent.
    committed: u64,
    /// Bytes of its entries.
    pub(super) bytes: usize,
}

impl Client {
    /// Sends an append.
    pub(super) async fn send(&self, request: &AppendEntriesRequest<Types>) -> Result<InFlight, RPCError<Types>> {
        let sent = request.entries.last().map(Entry::position).or(request.prev_log_id);
        let append = wire::from_append(request);
        let bytes = append.entries.iter().map(Bytes::len).sum();
        let pending = self.peer.send(self.shard, Call::Append(append), self.within).await.map_err(rpc_error)?;
        let committed = request.leader_commit.as_ref().map_or(0, |committed| committed.index);
        Ok(InFlight { pending, sent, committed, bytes })
    }

    /// The answer to an append.
    pub(super) async fn appended(&self, in_flight: InFlight) -> Result<StreamAppendResult<Types>, RPCError<Types>> {
        let InFlight { pending, sent, committed, .. } = in_flight;
        let Answer::Append(answer) = pending.answer().await.map_err(rpc_error)? else { return Err(foreign()) };
        let answer = wire::to_appended(answer, sent).map_err(|e| network_error(&e))?;
        if let Ok(Some(matched)) = &answer
            && matched.index + CLOSE >= committed
        {
            self.delivered.caught_up(self.peer.node().id);
        }
        Ok(answer)
    }

    /// A vote is of no use after the election timeout, whatever openraft would wait.
    fn patience(&self, option: &RPCOption) -> Duration {
        option.soft_ttl().min(self.within)
    }
}

fn rpc_error(error: PeerError) -> RPCError<Types> {
    match error {
        // openraft backs off: it will not hammer a node that is away or does not serve the shard.
        PeerError::Down { .. } | PeerError::Unavailable { .. } => RPCError::Unreachable(Unreachable::new(&error)),
        PeerError::Late { .. } => RPCError::Network(NetworkError::new(&error)),
    }
}

fn network_error(error: &(impl std::error::Error + 'static)) -> RPCError<Types> {
    RPCError::Network(NetworkError::new(error))
}

fn foreign() -> RPCError<Types> {
    RPCError::Network(NetworkError::from_string("the peer answered another kind of request"))
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = SnapshotHandle;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let in_flight = self.send(&request).await?;
        Ok(match self.appended(in_flight).await? {
            Ok(_) => AppendEntriesResponse::Success,
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _: RPCOption,
    ) -> BoxFuture<'s, Result<AppendAnswers<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        let answers = stream::unfold(Pipeline::new(self, input), |mut pipeline| async move {
            let answer = pipeline.next().await?;
            Some((answer, pipeline))
        });
        Box::pin(async move { Ok(answers.boxed()) })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let call = Call::Vote(wire::from_vote_request(&request));
        match self.peer.call(self.shard, call, self.patience(&option)).await.map_err(rpc_error)? {
            Answer::Vote(answer) => wire::to_vote_response(answer).map_err(|e| network_error(&e)),
            _ => Err(foreign()),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let call = Call::PreVote(wire::from_vote_request(&request));
        match self.peer.call(self.shard, call, self.patience(&option)).await.map_err(rpc_error)? {
            Answer::Vote(answer) => wire::to_vote_response(answer).map_err(|e| network_error(&e)),
            _ => Err(foreign()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let Snapshot { meta, snapshot: SnapshotHandle::Outgoing(outgoing) } = snapshot else {
            return Err(StreamingError::Network(NetworkError::from_string("this snapshot has no rows to send")));
        };
        let mut sending = Sending::new(self.shard, &self.peer, &meta)?;
        let mut cancel = std::pin::pin!(cancel);
        // A node that is away holds no log and takes no turn; for one that answers the log is held from now on.
        tokio::select! {
            closed = &mut cancel => return Err(StreamingError::Closed(closed)),
            taken = sending.offer() => drop(taken?),
        }
        outgoing.hold();
        if self.transfers.purged_index() > outgoing.source.mark().index {
            let reason = "the log that follows the snapshot was purged meanwhile: a newer one is to be sent";
            return Err(StreamingError::Network(NetworkError::from_string(reason)));
        }
        let sending = async {
            // Its time begins when its turn comes.
            let _slot = self.transfers.slot(self.shard).await;
            let sending = sending.send(&self.transfers, vote, &outgoing);
            let late = |_| Err(StreamingError::Network(NetworkError::from_string("the snapshot took too long")));
            tokio::time::timeout(option.soft_ttl(), sending).await.unwrap_or_else(late)
        };
        let result = tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => sent,
        };
        match &result {
            Ok(_) => {
                self.delivered.to(self.peer.node().id, &outgoing, self.transfers.keep);
                outgoing.sent();
            }
            Err(_) => outgoing.interrupted(self.transfers.keep),
        }
        result
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        _: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let call = Call::HandOver(wire::from_hand_over(&request));
        match self.peer.call(self.shard, call, self.within).await.map_err(rpc_error)? {
            Answer::HandOver(answer) => wire::to_handed_over(answer, &request).map_err(|e| network_error(&e)),
            _ => Err(foreign()),
        }
    }
}
