//! When the proposers of a node make their entries: together, and the sooner the less there is to do.
//!
//! Every entry costs a node much that its commands share: a part of a synced write, of a frame to each follower, of a commit of rows,
//! and the waking of everybody on the way. Entries that leave together share even that. So a proposer that has something waits
//! until all entries of the node are done with, or until the time is over that the commands which left last are worth. Under
//! little load both are over at once, and nobody waits. Under much, entries grow and leave together, and what a message costs
//! falls. On a far quorum the time decides, not the way there and back.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a command that left buys for the next to gather. A node that is given less than 10,000 commands a second never waits for
/// long: what left last is worth less than the next needs to come.
const WORTH: Duration = Duration::from_micros(100);
/// The longest that anything gathers. A fraction of what an ack takes when so much is under way.
const LONGEST: Duration = Duration::from_millis(20);

/// One for all proposers of a node.
#[derive(Default)]
pub(super) struct Pacer {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// From here on entries leave even though others are under way.
    next: Option<Instant>,
}

impl State {
    /// Until when whoever has something waits; not at all if there is nothing to say.
    fn gathers_until(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| self.under_way > 0 && now < *next)
    }

    fn depart(&mut self, now: Instant, commands: usize) {
        let worth = WORTH.saturating_mul(u32::try_from(commands).unwrap_or(u32::MAX));
        let since = self.next.map_or(now, |next| next.max(now));
        self.next = Some((since + worth).min(now + LONGEST));
        self.under_way += 1;
    }
}

/// An entry that is under way, until this is dropped.
pub(super) struct UnderWay(Arc<Pacer>);

impl Pacer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Waits for the next departure. It is that of all who wait by then: if whoever is polled first had the others wait for its
    /// entry, some would wait again and again.
    pub(super) async fn turn(&self) {
        let freed = self.freed.notified();
        let Some(until) = self.state().gathers_until(Instant::now()) else { return };
        tokio::select! {
            () = freed => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    /// An entry of so many commands leaves.
    pub(super) fn depart(self: &Arc<Self>, commands: usize) -> UnderWay {
        self.state().depart(Instant::now(), commands);
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        let all_done = state.under_way == 0;
        drop(state);
        if all_done {
            self.0.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_while_nothing_is_under_way() {
        let (mut state, now) = (State::default(), Instant::now());
        assert_eq!(state.gathers_until(now), None);
        state.depart(now, 1_000);
        state.under_way = 0;
        assert_eq!(state.gathers_until(now), None);
    }

    #[test]
    fn the_more_left_the_longer_the_next_gather_within_a_bound() {
        let (mut state, now) = (State::default(), Instant::now());
        state.depart(now, 10);
        assert_eq!(state.gathers_until(now), Some(now + WORTH * 10));
        state.depart(now, 20);
        assert_eq!(state.gathers_until(now), Some(now + WORTH * 30));
        state.depart(now, 1_024);
        assert_eq!(state.gathers_until(now), Some(now + LONGEST));
        let later = now + LONGEST;
        assert_eq!(state.gathers_until(later), None, "an entry that is never done with holds nobody up");
        state.depart(later, 1);
        assert_eq!(state.gathers_until(later), Some(later + WORTH));
    }

    #[tokio::test]
    async fn all_that_wait_leave_when_all_entries_are_done_with() {
        let pacer = Arc::new(Pacer::default());
        let (first, last) = (pacer.depart(0), pacer.depart(0));
        // Far away: only an arrival can end the wait.
        pacer.state().next = Some(Instant::now() + Duration::from_secs(3_600));
        let waiting = [tokio::spawn(turn(pacer.clone())), tokio::spawn(turn(pacer.clone()))];
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|turn| !turn.is_finished()));
        drop(last);
        // Whoever is polled first leaves, with much.
        let _more = pacer.depart(1_024);
        pacer.state().next = Some(Instant::now() + Duration::from_secs(3_600));
        for turn in waiting {
            turn.await.unwrap();
        }
    }

    async fn turn(pacer: Arc<Pacer>) {
        pacer.turn().await;
    }
}
