//! How fast and how many: the bounds on what this node sends, and takes, to bring replicas up to date, of all shards together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hansard_domain::ShardId;
use hansard_storage::ShardLog;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Snapshots that a node sends at once. Two: one is read and sent while the other waits for its receiver's disk. More would not
/// end sooner, as all share one rate; the last would only be older when it ends.
const SENT_AT_ONCE: usize = 2;

/// The longest that old entries wait for those of other shards. A second: with hundreds of shards behind, the rate is not held.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of old entries that may be sent for each byte of new ones, whatever the rate: with fewer than one nobody would catch up with
/// those who talk faster than it.
const OLD_FOR_NEW: u64 = 2;

/// The bounds of one node.
pub struct Transfers {
    /// What is sent.
    pub(super) sending: Arc<Pacer>,
    /// What is taken in.
    pub(super) taking: Arc<Pacer>,
    /// Old entries of the log that are sent.
    history: Arc<Pacer>,
    slots: Arc<Semaphore>,
    /// How long what is left of an interrupted transfer is kept, at either end.
    pub(super) keep: Duration,
    /// The log that is sent, where these are the bounds of one shard.
    log: Option<ShardLog>,
}

impl Transfers {
    /// So many bytes a second of snapshots are sent, and as many taken in, and as many of old entries sent; interrupted transfers
    /// may go on for so long.
    pub fn new(bytes_per_second: u64, keep: Duration) -> Arc<Transfers> {
        let pacer = || Arc::new(Pacer::new(bytes_per_second));
        let slots = Arc::new(Semaphore::new(SENT_AT_ONCE));
        Arc::new(Transfers { sending: pacer(), taking: pacer(), history: pacer(), slots, keep, log: None })
    }

    /// The same bounds, for the shard with this log.
    pub fn of_shard(&self, log: ShardLog) -> Arc<Transfers> {
        Arc::new(Transfers {
            sending: self.sending.clone(),
            taking: self.taking.clone(),
            history: self.history.clone(),
            slots: self.slots.clone(),
            keep: self.keep,
            log: Some(log),
        })
    }

    /// Index of the last entry in the shard's log; 0 if there is none.
    pub(super) fn last_index(&self) -> u64 {
        self.log.as_ref().and_then(|log| log.bounds().last).map_or(0, |(_, index)| index)
    }

    /// Index of the last entry that was purged from the shard's log; 0 if none was.
    pub(super) fn purged_index(&self) -> u64 {
        self.log.as_ref().and_then(|log| log.bounds().purged).map_or(0, |(_, index)| index)
    }

    /// Bytes of snapshots that were sent, those included that did not arrive.
    pub fn sent_bytes(&self) -> u64 {
        self.sending.passed.load(Ordering::Relaxed)
    }

    /// Bytes of snapshots that were taken in, those included that were not installed.
    pub fn taken_bytes(&self) -> u64 {
        self.taking.passed.load(Ordering::Relaxed)
    }

    /// Entries are sent that a follower lacks for long: when the next of them may follow. A follower that took all that it lacks as
    /// fast as it can would keep the disks and processors from those who talk.
    pub(super) fn history(&self, now: Instant, bytes: usize) -> Instant {
        let latest = now + LONGEST_PAUSE;
        let next = self.history.turn(now, bytes) + self.history.time_of(bytes as u64);
        // What the rate was exceeded by is no debt: whoever is left would pay for all.
        self.history.free_by(latest);
        self.history.passed.fetch_add(bytes as u64, Ordering::Relaxed);
        next.min(latest)
    }

    /// Entries are sent for which those who talk wait: no rate holds them up, and they hold up nobody's.
    pub(super) fn awaited_history(&self, bytes: usize) {
        self.history.passed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// New entries are sent, which lets old ones pass: see [`OLD_FOR_NEW`].
    pub(super) fn live(&self, bytes: usize) {
        self.history.earn(OLD_FOR_NEW * bytes as u64);
    }

    /// Bytes of old entries that were sent.
    pub fn history_bytes(&self) -> u64 {
        self.history.passed.load(Ordering::Relaxed)
    }

    /// Waits for leave to send a shard's snapshot. Meta waits for nobody: without it a node knows of no shard, and it is small.
    pub(super) async fn slot(&self, shard: ShardId) -> Option<SemaphorePermit<'_>> {
        if shard == ShardId::META {
            return None;
        }
        // It is never closed.
        self.slots.acquire().await.ok()
    }
}

/// Lets bytes through at a rate: whoever comes waits until those before have had their time. Never more than the rate over
/// any time, and one chunk.
#[derive(Debug)]
pub(super) struct Pacer {
    bytes_per_second: u64,
    free_from: Mutex<Option<Instant>>,
    passed: AtomicU64,
}

impl Pacer {
    pub(super) fn new(bytes_per_second: u64) -> Pacer {
        Pacer { bytes_per_second: bytes_per_second.max(1), free_from: Mutex::default(), passed: AtomicU64::new(0) }
    }

    /// Waits for its turn. Who gives up while waiting has used its time up all the same.
    pub(super) async fn pass(&self, bytes: usize) {
        let turn = self.turn(Instant::now(), bytes);
        sleep_until(turn).await;
        self.passed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn turn(&self, now: Instant, bytes: usize) -> Instant {
        let mut free_from = self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = free_from.map_or(now, |free| free.max(now));
        *free_from = Some(turn + self.time_of(bytes as u64));
        turn
    }

    /// Who comes next waits less, by the time of so many bytes.
    fn earn(&self, bytes: u64) {
        let mut free_from = self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
        *free_from = free_from.and_then(|free| free.checked_sub(self.time_of(bytes)));
    }

    /// Who comes next waits until then at the latest.
    fn free_by(&self, latest: Instant) {
        let mut free_from = self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
        *free_from = free_from.map(|free| free.min(latest));
    }

    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_held_however_many_come_and_rests_are_not_saved_up() {
        let pacer = Arc::new(Pacer::new(1_000));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        let senders: Vec<_> = (0..10)
            .map(|_| {
                let pacer = pacer.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        pacer.pass(100).await;
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.expect("it does not panic");
        }
        // 5,000 bytes, the last 100 of which pass at once.
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(4_900) && took < Duration::from_millis(5_000), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn old_entries_keep_the_rate_and_new_ones_let_more_of_them_pass() {
        let transfers = Transfers::new(1_000, Duration::ZERO);
        let now = Instant::now();
        let after = |bytes| transfers.history(now, bytes) - now;
        assert_eq!(after(100), Duration::from_millis(100));
        assert_eq!(after(100), Duration::from_millis(200), "another shard's wait for the same rate");
        transfers.live(75);
        assert_eq!(after(100), Duration::from_millis(150), "150 more may pass");
        transfers.live(10_000);
        assert_eq!(after(100), Duration::from_millis(100), "and are not saved up");
        assert_eq!(after(1_000_000), LONGEST_PAUSE);
        assert_eq!(transfers.history_bytes(), 1_000_400);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_that_was_not_held_is_no_debt() {
        let transfers = Transfers::new(1_000, Duration::ZERO);
        let mut now = Instant::now();
        // 100 shards are behind, and each sends what takes a tenth of a second whenever it has rested: ten times the rate.
        for _ in 0..30 {
            for _ in 0..100 {
                assert!(transfers.history(now, 100) <= now + LONGEST_PAUSE);
            }
            now += LONGEST_PAUSE;
        }
        // One is left.
        assert_eq!(transfers.history(now, 100), now + Duration::from_millis(100));
        let shard = transfers.history(now, 100) - now;
        transfers.awaited_history(1_000_000);
        assert_eq!(
            transfers.history(now, 100) - now,
            shard + Duration::from_millis(100),
            "others do not pay for those"
        );
        assert_eq!(transfers.history_bytes(), 30 * 100 * 100 + 300 + 1_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn two_snapshots_are_sent_at_once_and_metas_besides() {
        let transfers = Transfers::new(1, Duration::ZERO);
        let shard = ShardId::from_bytes([1; 16]);
        let _first = transfers.slot(shard).await.expect("open");
        let second = transfers.slot(shard).await.expect("open");
        let third = tokio::time::timeout(Duration::from_secs(9), transfers.slot(shard)).await;
        assert!(third.is_err(), "a third waits");
        assert!(transfers.slot(ShardId::META).await.is_none(), "meta needs none");
        drop(second);
        assert!(transfers.slot(shard).await.is_some());
    }
}
