//! The adapters under openraft's own storage suite, on the real store and on the simulated one, and what that suite leaves out.

use std::io;
use std::sync::{Arc, Mutex};

use hansard_domain::ShardId;
use hansard_storage::Store;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use tokio::sync::watch;

use super::entry::Entry;
use super::sink::NoSink;
use super::test_store::{Kind, TestStore};
use super::types::{LogId, Membership, StoredMembership, Types, Vote, log_id};
use super::{LogStore, Progress, StateMachine};

const SHARD: ShardId = ShardId::from_bytes([7; 16]);

fn adapters(store: &Store, shard: ShardId) -> (LogStore, StateMachine) {
    let store = store.shard(shard).expect("a shard's store");
    let view = watch::Sender::new(Arc::default());
    let machine = StateMachine::load(store.clone(), view, Arc::new(NoSink), Arc::new(Progress::default()), 1 << 20)
        .expect("loads");
    (LogStore::new(store.log(), 1 << 20), machine)
}

/// The suite does what openraft itself never does, and storage forbids: it purges entries that were never applied, so that nothing
/// would hold what they said, and it starts logs in the middle. So here a purge is only remembered, and a log that starts in the
/// middle is filled up below. (The tests after the suite purge in earnest.)
#[derive(Clone)]
struct Forgiving {
    log: LogStore,
    purged: Arc<Mutex<Option<LogId>>>,
}

impl Forgiving {
    fn purged(&self) -> Option<LogId> {
        *self.purged.lock().unwrap()
    }

    fn visible(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let purged = self.purged().map(|id| id.index);
        entries.retain(|entry| Some(entry.position().index) > purged);
        entries
    }
}

impl RaftLogReader<Types> for Forgiving {
    async fn try_get_log_entries<R: std::ops::RangeBounds<u64> + Clone + std::fmt::Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let entries = self.log.try_get_log_entries(range).await?;
        Ok(self.visible(entries))
    }
    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        self.log.read_vote().await
    }
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let entries = self.log.limited_get_log_entries(start, end).await?;
        Ok(self.visible(entries))
    }
    async fn entries_stream<R: std::ops::RangeBounds<u64> + Clone + std::fmt::Debug + Send>(
        &mut self,
        range: R,
    ) -> impl futures_util::Stream<Item = Result<Entry, io::Error>> + Send {
        self.log.entries_stream(range).await
    }
}

impl RaftLogStorage<Types> for Forgiving {
    type LogReader = Forgiving;
    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let state = self.log.get_log_state().await?;
        let purged = self.purged();
        Ok(LogState { last_purged_log_id: purged, last_log_id: state.last_log_id.max(purged) })
    }
    async fn get_log_reader(&mut self) -> Forgiving {
        self.clone()
    }
    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.log.save_vote(vote).await
    }
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let first = entries.first().map_or(0, |entry| entry.position().index);
        let (term, next) = match self.log.get_log_state().await?.last_log_id {
            Some(last) => (last.leader_id.term, last.index + 1),
            None => (0, 1),
        };
        if first > next {
            self.log.append((next..first).map(|index| blank(term, index)), IOFlushed::noop()).await?;
        }
        self.log.append(entries, callback).await
    }
    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.log.truncate_after(last).await
    }
    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let mut purged = self.purged.lock().unwrap();
        *purged = (*purged).max(Some(upto));
        Ok(())
    }
}

struct Builder(Kind);

impl StoreBuilder<Types, Forgiving, StateMachine, (Store, TestStore)> for Builder {
    async fn build(&self) -> Result<((Store, TestStore), Forgiving, StateMachine), openraft::StorageError<Types>> {
        let place = TestStore::new(self.0);
        let store = place.open();
        let (log, machine) = adapters(&store, SHARD);
        Ok(((store, place), Forgiving { log, purged: Arc::default() }, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_suite_passes_on_the_real_store() {
    Suite::test_all(Builder(Kind::Real)).await.expect("the suite passes");
}

#[tokio::test]
async fn openrafts_suite_passes_on_the_simulated_store() {
    Suite::test_all(Builder(Kind::Simulated)).await.expect("the suite passes");
}

fn blank(term: u64, index: u64) -> Entry {
    Entry::new_blank(log_id(term, index))
}

#[tokio::test]
async fn log_and_vote_are_there_after_a_crash() {
    let guard = TestStore::new(Kind::Simulated);
    let store = guard.open();
    let (mut log, _) = adapters(&store, SHARD);
    log.save_vote(&Vote::new_committed(2, 9)).await.unwrap();
    log.blocking_append([blank(1, 1), blank(2, 2), blank(2, 3)]).await.unwrap();
    log.truncate_after(Some(log_id(2, 2))).await.unwrap();
    drop((log, store));
    let store = guard.crash_and_open();
    let (mut log, _) = adapters(&store, SHARD);
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(2, 9)));
    assert_eq!(log.get_log_state().await.unwrap().last_log_id, Some(log_id(2, 2)));
    assert_eq!(log.try_get_log_entries(..).await.unwrap(), [blank(1, 1), blank(2, 2)]);
}

#[tokio::test]
async fn groups_do_not_see_each_other() {
    let guard = TestStore::new(Kind::Simulated);
    let store = guard.open();
    let (mut one, _) = adapters(&store, SHARD);
    let (mut other, _) = adapters(&store, ShardId::from_bytes([8; 16]));
    one.save_vote(&Vote::new(5, 1)).await.unwrap();
    one.blocking_append([blank(5, 1), blank(5, 2)]).await.unwrap();
    assert_eq!(other.read_vote().await.unwrap(), None);
    assert_eq!(other.get_log_state().await.unwrap().last_log_id, None);
    other.blocking_append([blank(1, 1)]).await.unwrap();
    assert_eq!(one.try_get_log_entries(..).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_read_for_replication_is_bounded_by_bytes_and_never_empty() {
    let guard = TestStore::new(Kind::Simulated);
    let store = guard.open();
    let log = store.shard(SHARD).unwrap().log();
    let mut log = LogStore::new(log, 100);
    log.blocking_append((1..=50).map(|index| blank(1, index))).await.unwrap();
    let read = log.limited_get_log_entries(1, 51).await.unwrap();
    assert!(!read.is_empty() && read.len() < 50, "{} entries", read.len());
    let all: Vec<_> = futures_util::StreamExt::collect(log.entries_stream(1..51).await).await;
    assert_eq!(all.len(), 50);
}

#[tokio::test]
async fn a_snapshot_makes_what_is_applied_durable_and_the_log_below_it_may_go() {
    let guard = TestStore::new(Kind::Simulated);
    let store = guard.open();
    let (mut log, mut machine) = adapters(&store, SHARD);
    let nodes = std::collections::BTreeMap::from([(1, super::Member::default())]);
    let members = Membership::new(vec![[1].into()], nodes).unwrap();
    let entries = [Entry::new_membership(log_id(1, 1), members.clone()), blank(1, 2)];
    log.blocking_append(entries.clone().into_iter().chain([blank(1, 3)])).await.unwrap();
    let stream = futures_util::stream::iter(entries.map(|entry| Ok((entry, None))));
    machine.apply(stream).await.unwrap();
    let mut builder = machine.get_snapshot_builder().await;
    let snapshot = openraft::storage::RaftSnapshotBuilder::build_snapshot(&mut builder).await.unwrap();
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(1, 2)));
    log.purge(log_id(1, 2)).await.unwrap();
    drop((builder, machine, log, store));
    let store = guard.crash_and_open();
    let (mut log, mut machine) = adapters(&store, SHARD);
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(1, 2)), Some(log_id(1, 3))));
    assert_eq!(log.try_get_log_entries(..).await.unwrap(), [blank(1, 3)]);
    let (applied, stored) = machine.applied_state().await.unwrap();
    assert_eq!(applied, Some(log_id(1, 2)));
    assert_eq!(stored, StoredMembership::new(Some(log_id(1, 1)), members));
}
