//! How long a client may take to read what waits for it.

use tokio::time::Instant;

use crate::limits::{BACKLOG_BYTES, BACKLOG_TIMEOUT, STALLED_TIMEOUT};

/// A client must take something in [`STALLED_TIMEOUT`]. While more than [`BACKLOG_BYTES`] wait, it must in
/// [`BACKLOG_TIMEOUT`] take all that waited at its beginning: else one small frame now and then would keep them for ever.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Since when nothing was taken, though something waits.
    stalled: Option<Instant>,
    /// Since when there is a backlog, or since its last frames left; and how many of those that waited then still do.
    backlog: Option<(Instant, usize)>,
}

impl Patience {
    /// The carrier took the oldest frame.
    pub(super) fn taken(&mut self) {
        self.stalled = None;
        if let Some((_, left)) = &mut self.backlog {
            *left = left.saturating_sub(1);
        }
    }

    /// The carrier has handed on all that it took.
    pub(super) fn flushed(&mut self) {
        self.stalled = None;
    }

    /// So much waits after all was written that could be; `unflushed`: the carrier holds some of what it took. The time is
    /// asked for only when it matters.
    pub(super) fn waits(&mut self, frames: usize, bytes: usize, unflushed: bool, now: impl Fn() -> Instant) {
        let waits = frames > 0 || unflushed;
        self.stalled = waits.then(|| self.stalled.unwrap_or_else(&now));
        self.backlog = match self.backlog {
            _ if bytes <= BACKLOG_BYTES => None,
            Some((since, left)) if left > 0 => Some((since, left)),
            _ => Some((now(), frames)),
        };
    }

    /// Why the client is to be cut, if it is.
    pub(super) fn lost(&self, now: Instant) -> Option<&'static str> {
        if self.stalled.is_some_and(|since| now >= since + STALLED_TIMEOUT) {
            return Some("the client took nothing for 30 s");
        }
        let late = self.backlog.is_some_and(|(since, _)| now >= since + BACKLOG_TIMEOUT);
        late.then_some("the client did not take within 90 s what waited for it")
    }

    /// When `lost` may have something to say.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let stalled = self.stalled.map(|since| since + STALLED_TIMEOUT);
        let backlog = self.backlog.map(|(since, _)| since + BACKLOG_TIMEOUT);
        stalled.into_iter().chain(backlog).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Almost too long to take nothing.
    const SIP: Duration = Duration::from_secs(29);

    #[test]
    fn a_client_that_takes_nothing_is_lost() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        patience.waits(1, 1, false, || now);
        let due = patience.next_tick().unwrap();
        assert_eq!(due, now + STALLED_TIMEOUT);
        assert!(patience.lost(due - Duration::from_millis(1)).is_none() && patience.lost(due).is_some());
        patience.taken();
        patience.waits(0, 0, true, || now);
        assert!(patience.next_tick().is_some(), "the carrier still holds it");
        patience.flushed();
        patience.waits(0, 0, false, || now);
        assert!(patience.next_tick().is_none());
    }

    #[test]
    fn a_client_that_takes_a_frame_now_and_then_is_lost_when_much_waits() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        let mut now = began;
        // As one leaves another comes.
        while patience.lost(now).is_none() {
            assert!(now < began + BACKLOG_TIMEOUT * 2);
            patience.taken();
            patience.waits(4, BACKLOG_BYTES * 2, false, || now);
            now += SIP;
        }
        assert!(now >= began + BACKLOG_TIMEOUT);
    }

    #[test]
    fn a_slow_client_is_not_lost_while_little_waits_or_all_leaves_in_time() {
        for (frames, bytes) in [(256, BACKLOG_BYTES), (3, BACKLOG_BYTES * 2)] {
            let (mut patience, mut now) = (Patience::default(), Instant::now());
            for _ in 0..100 {
                patience.waits(frames, bytes, true, || now);
                now += SIP;
                assert!(patience.lost(now).is_none(), "{frames} frames of {bytes} bytes");
                patience.taken();
            }
        }
    }
}
