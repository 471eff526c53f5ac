//! Parts of something bounded: whoever asks may hold only so many at a time, so that others always find some.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Holders that are remembered before those who hold nothing are forgotten.
const REMEMBERED: usize = 4_096;

/// One of a holder's parts, given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    most: usize,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    holders: HashMap<K, Arc<Semaphore>>,
    /// How many there are when those who hold nothing are forgotten next: seldom enough to cost nothing.
    forget_at: usize,
}

impl<K: Eq + Hash> Shares<K> {
    /// Each holder may have `most` at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { holders: HashMap::new(), forget_at: REMEMBERED }) }
    }

    /// One more, if the holder may have it.
    pub(crate) fn take(&self, holder: K) -> Option<Share> {
        self.of(holder).try_acquire_owned().ok()
    }

    /// One more, as soon as the holder may have it, in the order of asking; `None` if that is not until the deadline.
    pub(crate) async fn wait(&self, holder: K, deadline: Instant) -> Option<Share> {
        let of_holder = self.of(holder);
        match of_holder.clone().try_acquire_owned() {
            Ok(share) => Some(share),
            Err(_) => timeout_at(deadline, of_holder.acquire_owned()).await.ok()?.ok(),
        }
    }

    fn of(&self, holder: K) -> Arc<Semaphore> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.holders.len() >= state.forget_at {
            // Whoever holds or waits for a share holds its semaphore, too.
            state.holders.retain(|_, of_holder| Arc::strong_count(of_holder) > 1);
            state.forget_at = REMEMBERED.max(2 * state.holders.len());
        }
        state.holders.entry(holder).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn each_holder_has_so_many_and_no_more() {
        let shares = Shares::new(2);
        let held = [shares.take(1).unwrap(), shares.take(1).unwrap()];
        assert!(shares.take(1).is_none());
        assert!(shares.take(2).is_some(), "others are not concerned");
        drop(held);
        assert!(shares.take(1).is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_next_one_or_hears_that_there_is_none() {
        let shares = Shares::new(1);
        let held = shares.take(1).unwrap();
        assert!(shares.wait(1, Instant::now() + Duration::from_millis(5)).await.is_none());
        let mut waits = std::pin::pin!(shares.wait(1, Instant::now() + Duration::from_secs(60)));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(held);
        assert!(waits.await.is_some());
    }

    #[test]
    fn those_who_hold_nothing_are_forgotten() {
        let shares = Shares::new(1);
        let held = shares.take(usize::MAX).unwrap();
        (0..3 * REMEMBERED).for_each(|holder| drop(shares.take(holder)));
        assert!(shares.state.lock().unwrap().holders.len() <= REMEMBERED);
        assert!(shares.take(usize::MAX).is_none(), "who holds something is not forgotten");
        drop(held);
    }
}
