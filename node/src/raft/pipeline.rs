//! Appends to one follower of one shard: sent up to the window ahead, answered in order.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::time::Instant;

use super::network::{Client, InFlight};
use super::tuning::CLOSE;
use super::types::{LogId, Types};

/// How long the news of a commit waits for entries to ride with. Followers show nobody what they apply, and an heir learns at its
/// election what is committed, so nobody waits for it; at 25 entries a second of a shard most of them ride.
const RIDE: Duration = Duration::from_millis(40);

/// How long entries wait for their commit, with none meanwhile, until they are held to wait for a follower that catches up. More than
/// the way to a far quorum, and far less than anybody's patience.
const STALL: Duration = Duration::from_millis(300);

/// An append that waits for room on the link, and what becomes of it.
type Sending<'s> = BoxFuture<'s, (AppendEntriesRequest<Types>, Result<InFlight, RPCError<Types>>)>;

/// A pipeline of appends.
pub(super) struct Pipeline<'s, S> {
    client: &'s Client,
    requests: S,
    /// No more requests will come.
    drained: bool,
    failed: bool,
    riders: Riders<AppendEntriesRequest<Types>>,
    /// After entries that were committed long ago, others wait until then.
    rests_until: Option<Instant>,
    commits: Commits,
    /// One at a time; answers to those before are taken meanwhile.
    sending: Option<Sending<'s>>,
    in_flight: VecDeque<InFlight>,
}

impl<'s, S: Stream<Item = AppendEntriesRequest<Types>> + Unpin> Pipeline<'s, S> {
    pub(super) fn new(client: &'s Client, requests: S) -> Self {
        let riders = Riders { streams: false, waits: None };
        Pipeline {
            client,
            requests,
            drained: false,
            failed: false,
            riders,
            rests_until: None,
            commits: Commits::default(),
            sending: None,
            in_flight: VecDeque::new(),
        }
    }

    /// The next answer; the last one that is no success ends it: openraft starts a new stream then.
    pub(super) async fn next(&mut self) -> Option<Result<StreamAppendResult<Types>, RPCError<Types>>> {
        if self.failed {
            return None;
        }
        let result = self.advance().await.transpose()?;
        self.failed = !matches!(result, Ok(Ok(_)));
        Some(result)
    }

    async fn advance(&mut self) -> Result<Option<StreamAppendResult<Types>>, RPCError<Types>> {
        while !(self.drained && self.sending.is_none() && self.in_flight.is_empty()) {
            let rests_until = self.rests_until.filter(|until| *until > Instant::now());
            let may_send = self.sending.is_none();
            let may_take =
                may_send && !self.drained && self.in_flight.len() < self.client.window && rests_until.is_none();
            let leaves_at = self.riders.leaves_at().filter(|_| may_send);
            tokio::select! {
                biased;
                (request, sent) = done(&mut self.sending) => {
                    self.sending = None;
                    self.sent(&request, sent?);
                }
                request = self.requests.next(), if may_take => {
                    self.drained = request.is_none();
                    let leaves = match request {
                        None => self.riders.leave(),
                        Some(request) => self.riders.take(request, Instant::now()),
                    };
                    self.send(leaves);
                }
                () = answered(&mut self.in_flight) => {
                    let Some(oldest) = self.in_flight.pop_front() else { continue };
                    return self.client.appended(oldest).await.map(Some);
                }
                () = tokio::time::sleep_until(leaves_at.unwrap_or_else(Instant::now)), if leaves_at.is_some() => {
                    let leaves = self.riders.leave();
                    self.send(leaves);
                }
                () = tokio::time::sleep_until(rests_until.unwrap_or_else(Instant::now)), if rests_until.is_some() => {}
            }
        }
        Ok(None)
    }

    /// Begins to send; none is being sent.
    fn send(&mut self, request: Option<AppendEntriesRequest<Types>>) {
        let client = self.client;
        self.sending = request.map(|request| {
            let sending: Sending<'s> = Box::pin(async move {
                let sent = client.send(&request).await;
                (request, sent)
            });
            sending
        });
    }

    fn sent(&mut self, request: &AppendEntriesRequest<Types>, sent: InFlight) {
        let (transfers, now) = (&self.client.transfers, Instant::now());
        if !is_history(request) {
            transfers.live(sent.bytes);
        } else if self.commits.stall(index(&request.leader_commit), transfers.last_index(), now) {
            transfers.awaited_history(sent.bytes);
        } else {
            self.rests_until = Some(transfers.history(now, sent.bytes));
        }
        self.in_flight.push_back(sent);
    }
}

/// Whether an append brings entries that were committed long ago.
fn is_history(request: &AppendEntriesRequest<Types>) -> bool {
    let (Some(last), Some(committed)) = (request.entries.last(), &request.leader_commit) else { return false };
    last.position().index + CLOSE < committed.index
}

fn index(at: &Option<LogId>) -> u64 {
    at.as_ref().map_or(0, |at| at.index)
}

/// Whether commits go on while a follower catches up. Where there is no quorum without it they do not: then it is new entries that wait
/// for the old ones, and the rate that spares those who talk would make them wait longer.
#[derive(Default)]
struct Commits {
    /// How far the log was committed when entries were first seen to wait, and when that was.
    stands: Option<(u64, Instant)>,
}

impl Commits {
    /// Whether entries up to `last` wait, and have for long, while nothing is committed after `committed`.
    fn stall(&mut self, committed: u64, last: u64, now: Instant) -> bool {
        if last <= committed {
            self.stands = None;
            return false;
        }
        match self.stands {
            Some((at, since)) if at == committed => now >= since + STALL,
            _ => {
                self.stands = Some((committed, now));
                false
            }
        }
    }
}

/// Waits until what is being sent is queued, or has failed; for ever if there is none.
async fn done<T>(sending: &mut Option<BoxFuture<'_, T>>) -> T {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Waits until the oldest has its answer; for ever if there is none.
async fn answered(in_flight: &mut VecDeque<InFlight>) {
    match in_flight.front_mut() {
        Some(oldest) => oldest.pending.ready().await,
        None => std::future::pending().await,
    }
}

/// News of commits on their way.
///
/// An append without entries, once entries have gone out, only tells how far they are committed. It waits for [`RIDE`], and whatever
/// leaves before tells the same: a follower is sent, answers and is heard once for each entry instead of twice. What another
/// append has told gets no answer of its own; openraft takes an answer for all that was asked before it.
struct Riders<R> {
    /// Whether entries have gone out.
    streams: bool,
    /// What waits, and until when.
    waits: Option<(R, Instant)>,
}

/// An append, as far as the rule goes.
trait HasEntries {
    fn has_entries(&self) -> bool;
}

impl HasEntries for AppendEntriesRequest<Types> {
    fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }
}

impl<R: HasEntries> Riders<R> {
    /// Takes the next request; what is to leave now.
    fn take(&mut self, request: R, now: Instant) -> Option<R> {
        if request.has_entries() || !self.streams {
            self.streams |= request.has_entries();
            self.waits = None;
            return Some(request);
        }
        let until = self.leaves_at().unwrap_or(now + RIDE);
        self.waits = Some((request, until));
        None
    }

    /// When what waits must leave.
    fn leaves_at(&self) -> Option<Instant> {
        self.waits.as_ref().map(|(_, until)| *until)
    }

    /// What waits leaves.
    fn leave(&mut self) -> Option<R> {
        self.waits.take().map(|(request, _)| request)
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;
    use openraft::entry::RaftEntry;

    use super::super::entry::Entry;
    use super::super::types::{Vote, log_id};
    use super::*;

    #[test]
    fn entries_are_history_once_more_than_a_few_are_committed_after_them() {
        let append = |last: Option<u64>, committed: Option<u64>| AppendEntriesRequest::<Types> {
            vote: Vote::new_committed(1, 7),
            prev_log_id: None,
            leader_commit: committed.map(|index| log_id(1, index)),
            entries: last.map(|index| Entry::new(log_id(1, index), EntryPayload::Blank)).into_iter().collect(),
        };
        assert!(is_history(&append(Some(100), Some(101 + CLOSE))));
        assert!(!is_history(&append(Some(100), Some(100 + CLOSE))), "who lacks no more keeps up");
        assert!(!is_history(&append(Some(100), None)), "nothing is committed: a new leader's own");
        assert!(!is_history(&append(None, Some(1_000))), "a heartbeat is no history");
    }

    #[test]
    fn commits_stall_when_entries_wait_and_none_is_committed_for_long() {
        let (mut commits, now) = (Commits::default(), Instant::now());
        let after = |waits: u32| now + STALL * waits / 10;
        assert!(!commits.stall(1_000, 1_000, after(0)));
        assert!(!commits.stall(1_000, 1_000, after(50)), "nothing waits, however long nothing is said");
        assert!(!commits.stall(1_000, 1_003, after(51)));
        assert!(!commits.stall(1_000, 1_003, after(60)), "entries have just left");
        assert!(commits.stall(1_000, 1_003, after(61)));
        assert!(commits.stall(1_000, 1_003, after(99)), "until the follower is needed no more");
        assert!(!commits.stall(1_003, 1_005, after(100)), "others commit again");
        assert!(!commits.stall(1_006, 1_008, after(120)), "and go on");
        assert!(commits.stall(1_006, 1_008, after(130)));
        assert!(!commits.stall(1_008, 1_008, after(131)));
        assert!(!commits.stall(1_008, 1_009, after(150)), "what waits now has not waited before");
    }

    /// How many entries, and how far they are committed.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Append(usize, u64);

    impl HasEntries for Append {
        fn has_entries(&self) -> bool {
            self.0 > 0
        }
    }

    #[test]
    fn news_of_commits_rides_with_entries_or_leaves_in_time() {
        let (mut riders, now) = (Riders { streams: false, waits: None }, Instant::now());
        assert_eq!(
            riders.take(Append(0, 1), now),
            Some(Append(0, 1)),
            "before the first entries it asks where the log ends"
        );
        assert_eq!(riders.take(Append(2, 1), now), Some(Append(2, 1)));
        assert_eq!((riders.take(Append(0, 2), now), riders.leaves_at()), (None, Some(now + RIDE)));
        let later = now + RIDE / 2;
        assert_eq!(riders.take(Append(0, 3), later), None);
        assert_eq!(riders.leaves_at(), Some(now + RIDE), "newer news leaves no later");
        assert_eq!(riders.leave(), Some(Append(0, 3)), "and is the newest");
        assert_eq!((riders.leave(), riders.leaves_at()), (None, None));
        assert_eq!(riders.take(Append(0, 4), later), None);
        assert_eq!(riders.take(Append(1, 5), later), Some(Append(1, 5)), "entries tell it");
        assert_eq!((riders.leave(), riders.leaves_at()), (None, None));
    }
}
