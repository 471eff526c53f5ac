//! How old is what a replica shows, to readers who put up with some age.
//!
//! A replica asks the leader, which has a quorum confirm it, how far the shard is applied; once it has applied as much itself, it shows all
//! that was acknowledged before it asked. From then on everybody may read it who puts up with the time since. Only this
//! machine's clock has a part in that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a replica knows of its own age.
#[derive(Default)]
pub(super) struct Freshness {
    /// When it asked for the newest confirmation that it has reached.
    as_of: Mutex<Option<Instant>>,
    /// One reader asks at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Freshness {
    /// How old it is at most, if that is no more than `max`; to make sure, `confirm` is awaited, unless somebody else does that. `None`:
    /// it is older, as far as is known.
    pub(super) async fn within(&self, max: Duration, confirm: impl Future<Output = bool>) -> Option<Duration> {
        if let Some(age) = self.age(max) {
            return Some(age);
        }
        match self.asking.try_lock() {
            Ok(_alone) => {
                let asked = Instant::now();
                if confirm.await {
                    *self.as_of.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
                }
            }
            Err(_) => drop(self.asking.lock().await),
        }
        self.age(max)
    }

    fn age(&self, max: Duration) -> Option<Duration> {
        let as_of = *self.as_of.lock().unwrap_or_else(PoisonError::into_inner);
        as_of.map(|as_of| as_of.elapsed()).filter(|age| *age <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn age_counts_from_before_the_question_and_one_answer_serves_many() {
        let fresh = Freshness::default();
        let slowly = async |confirmed| {
            tokio::time::sleep(SECOND).await;
            confirmed
        };
        assert_eq!(fresh.within(SECOND * 9, slowly(false)).await, None, "nobody confirmed it");
        assert_eq!(fresh.within(SECOND * 9, slowly(true)).await, Some(SECOND));
        tokio::time::advance(SECOND * 2).await;
        let unasked = async { unreachable!("it is fresh enough") };
        assert_eq!(fresh.within(SECOND * 3, unasked).await, Some(SECOND * 3));
        assert_eq!(fresh.within(SECOND * 2, slowly(true)).await, Some(SECOND));
        assert_eq!(fresh.within(SECOND / 2, slowly(true)).await, None, "the answer came too late for so little");
    }

    #[tokio::test(start_paused = true)]
    async fn readers_wait_for_the_question_that_another_has_asked() {
        let fresh = Freshness::default();
        let asked = async {
            tokio::time::sleep(SECOND).await;
            true
        };
        let unasked = async { unreachable!("another asks") };
        let (first, second) = tokio::join!(fresh.within(SECOND * 9, asked), fresh.within(SECOND * 9, unasked));
        assert_eq!((first, second), (Some(SECOND), Some(SECOND)));
    }
}
