//! The answering side of consensus: what the peer service calls.
//!
//! One task reads a peer's stream and hands each request to its shard. Appends of a shard go through in order, a bounded
//! number at a time, and are answered in order; other requests are answered when they are done. No shard waits for another.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, Stream, StreamExt};
use hansard_domain::ShardId;
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::consensus_request::Call;
use hansard_proto::cluster::v1::consensus_response::Answer;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendError};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::detector::{Detector, Standing};
use super::entry::Entry;
use super::lease;
pub use super::take_snapshot::{Stores, install_snapshot, offer_snapshot};
use super::types::{Group, Types};
use super::wire as convert;
use super::wire::WireError;

/// Answers that wait to be written to a peer.
const ANSWERS: usize = 1_024;
/// Appends of one shard under way from one peer; a peer keeps fewer under way.
const SHARD_WINDOW: usize = 64;
/// Votes and hand-overs under way from one peer.
const OTHERS: usize = 256;

/// Finds the group of a shard that this node serves.
pub trait Groups: Send + Sync + 'static {
    /// The group, unless the shard is not here or is stopping.
    fn group(&self, shard: ShardId) -> Option<Group>;
}

/// Serves one peer's stream, which stands until it ends.
pub fn consensus<G: Groups>(
    groups: Arc<G>,
    standing: Standing,
    requests: impl Stream<Item = Result<wire::ConsensusRequest, Status>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<wire::ConsensusResponse, Status>> + Send + 'static {
    let (answers, outgoing) = mpsc::channel(ANSWERS);
    tokio::spawn(async move {
        let others = Arc::new(Semaphore::new(OTHERS));
        let mut desk = Desk { groups, standing, answers, appends: HashMap::new(), others };
        let mut requests = requests;
        while let Some(Ok(request)) = requests.next().await {
            desk.standing.heard();
            if request == wire::ConsensusRequest::default() {
                // No more than a sign of life.
                continue;
            }
            if desk.take(request).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(outgoing).map(Ok)
}

/// The stream to the peer has ended.
struct Gone;

type Answers = mpsc::Sender<wire::ConsensusResponse>;

/// Sorts a peer's requests.
struct Desk<G> {
    groups: Arc<G>,
    standing: Standing,
    answers: Answers,
    appends: HashMap<ShardId, mpsc::Sender<(u64, wire::Append)>>,
    others: Arc<Semaphore>,
}

impl<G: Groups> Desk<G> {
    async fn take(&mut self, request: wire::ConsensusRequest) -> Result<(), Gone> {
        let id = request.id;
        let Some(shard) = shard_id(&request.shard) else { return self.refuse(id, "not a shard id").await };
        let Some(call) = request.call else { return self.refuse(id, "an empty request").await };
        let Some(group) = self.groups.group(shard) else {
            self.appends.remove(&shard);
            return self.refuse(id, "the shard is not served here").await;
        };
        match call {
            Call::Append(append) => self.append(shard, group, id, append).await,
            other => {
                let Ok(permit) = self.others.clone().try_acquire_owned() else {
                    return self.refuse(id, "too many requests under way").await;
                };
                let (answers, detector) = (self.answers.clone(), self.standing.detector().clone());
                tokio::spawn(async move {
                    let answer = serve(&group, &detector, shard, other).await;
                    let _ = answers.send(wire::ConsensusResponse { id, answer: Some(answer) }).await;
                    drop(permit);
                });
                Ok(())
            }
        }
    }

    async fn append(&mut self, shard: ShardId, group: Group, id: u64, append: wire::Append) -> Result<(), Gone> {
        let queue = self.appends.entry(shard).or_insert_with(|| start_appends(group.clone(), self.answers.clone()));
        let append = match queue.try_send((id, append)) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => return self.refuse(id, "too many appends under way").await,
            Err(mpsc::error::TrySendError::Closed((_, append))) => append,
        };
        // The group it belonged to has stopped; this is the one that runs now.
        let queue = start_appends(group, self.answers.clone());
        let sent = queue.try_send((id, append));
        self.appends.insert(shard, queue);
        if sent.is_err() { self.refuse(id, "the shard is stopping").await } else { Ok(()) }
    }

    async fn refuse(&self, id: u64, reason: &str) -> Result<(), Gone> {
        let answer = Some(Answer::Unavailable(reason.to_owned()));
        self.answers.send(wire::ConsensusResponse { id, answer }).await.map_err(|_| Gone)
    }
}

fn shard_id(bytes: &Bytes) -> Option<ShardId> {
    Some(ShardId::from_bytes(bytes.as_ref().try_into().ok()?))
}

fn start_appends(group: Group, answers: Answers) -> mpsc::Sender<(u64, wire::Append)> {
    let (queue, appends) = mpsc::channel(SHARD_WINDOW);
    tokio::spawn(run_appends(group, appends, answers));
    queue
}

/// Feeds a shard's appends to its group in order and answers them in order.
async fn run_appends(group: Group, mut appends: mpsc::Receiver<(u64, wire::Append)>, answers: Answers) {
    let mut under_way = FuturesOrdered::new();
    loop {
        tokio::select! {
            biased;
            next = appends.recv(), if under_way.len() < SHARD_WINDOW => {
                let Some((id, append)) = next else { break };
                let group = group.clone();
                // The first poll hands the append to the group; polling in order keeps the appends in order.
                let mut appended = Box::pin(append_one(group, id, append));
                if let Some(done) = (&mut appended).now_or_never() {
                    under_way.push_back(futures_util::future::Either::Left(std::future::ready(done)));
                } else {
                    under_way.push_back(futures_util::future::Either::Right(appended));
                }
            }
            Some((answer, stopped)) = under_way.next() => {
                if answers.send(answer).await.is_err() || stopped {
                    return;
                }
            }
        }
    }
    while let Some((answer, _)) = under_way.next().await {
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

/// The answer to an append, and whether the group has stopped.
async fn append_one(group: Group, id: u64, append: wire::Append) -> (wire::ConsensusResponse, bool) {
    let request = match convert::to_append(append) {
        Ok(request) => request,
        Err(error) => return (unavailable(id, &error), false),
    };
    let (previous, last) = ends(&request);
    match group.append_entries(request).await {
        Ok(response) => {
            failpoint::pass(Point::AppendAnswer);
            let result = match response {
                AppendEntriesResponse::Success => Ok(last),
                AppendEntriesResponse::PartialSuccess(upto) => Ok(upto),
                AppendEntriesResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote)),
                AppendEntriesResponse::Conflict => match previous {
                    Some(at) => Err(StreamAppendError::Conflict(at)),
                    None => return (unavailable(id, &WireError("nothing conflicts with nothing".to_owned())), false),
                },
            };
            let answer = Answer::Append(convert::from_appended(&result));
            (wire::ConsensusResponse { id, answer: Some(answer) }, false)
        }
        Err(error) => (unavailable(id, &error), true),
    }
}

fn ends(request: &AppendEntriesRequest<Types>) -> (Option<super::types::LogId>, Option<super::types::LogId>) {
    (request.prev_log_id, request.entries.last().map(Entry::position).or(request.prev_log_id))
}

fn unavailable(id: u64, error: &dyn std::error::Error) -> wire::ConsensusResponse {
    wire::ConsensusResponse { id, answer: Some(Answer::Unavailable(error.to_string())) }
}

/// A vote or a hand-over.
async fn serve(group: &Group, detector: &Detector, shard: ShardId, call: Call) -> Answer {
    let answer = match call {
        Call::Vote(request) => match convert::to_vote_request(request) {
            Ok(request) => {
                let answer = group.vote(request).await;
                failpoint::pass(Point::VoteAnswer);
                answer.map(|r| Answer::Vote(convert::from_vote_response(&r))).map_err(text)
            }
            Err(error) => Err(text(error)),
        },
        Call::PreVote(request) => match convert::to_vote_request(request) {
            Ok(request) => {
                let answer = lease::pre_vote(group, detector, shard, request).await;
                answer.map(|r| Answer::Vote(convert::from_vote_response(&r))).map_err(text)
            }
            Err(error) => Err(text(error)),
        },
        Call::HandOver(request) => match convert::to_hand_over(request) {
            Ok(request) => {
                let from = *request.from_leader();
                let result = group.handle_transfer_leader(request).await;
                result.map(|r| Answer::HandOver(convert::from_handed_over(&r, &from))).map_err(text)
            }
            Err(error) => Err(text(error)),
        },
        Call::Append(_) => Err("appends have a queue of their own".to_owned()),
    };
    answer.unwrap_or_else(Answer::Unavailable)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
