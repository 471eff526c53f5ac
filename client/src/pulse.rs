//! When to ping, and when silence means that a session is dead.

use std::time::Duration;

use tokio::time::Instant;

use crate::dial::Session;

/// How often to ping when the server does not say.
const INTERVAL: Duration = Duration::from_secs(10);
/// After how many silent intervals a session is dead.
const SILENT_INTERVALS: u32 = 3;
/// The same while requests wait for answers: so long a silence is worth a ping, and one that lasts as long again is death.
const IMPATIENCE: Duration = Duration::from_secs(3);

/// The life signs of a session.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval: Duration,
    /// When a frame came last.
    pub(crate) heard: Instant,
    /// When the next regular ping is due.
    pub(crate) ping_at: Instant,
    /// When the last ping was sent.
    pinged: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Quiet,
    Ping,
    Dead,
}

impl Pulse {
    pub(crate) fn new(session: &Session) -> Self {
        let asked = session.welcome.ping_interval;
        let asked = asked.and_then(|interval| Duration::try_from(interval).ok());
        let interval = asked.unwrap_or(INTERVAL);
        Self::with(interval.clamp(Duration::from_millis(100), Duration::from_secs(300)))
    }

    fn with(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, heard: now, ping_at: now + interval, pinged: None }
    }

    /// When to look next. `watched`: requests wait for answers.
    pub(crate) fn wake_at(&self, watched: bool) -> Instant {
        if !watched {
            return self.ping_at;
        }
        let since = self.pinged.map_or(self.heard, |pinged| pinged.max(self.heard));
        self.ping_at.min(since + IMPATIENCE)
    }

    /// What to do now; `watched` is asked only when it matters.
    pub(crate) fn beat(&mut self, now: Instant, watched: impl FnOnce() -> bool) -> Beat {
        let silence = now.saturating_duration_since(self.heard);
        if silence > self.interval * SILENT_INTERVALS {
            return Beat::Dead;
        }
        if now >= self.ping_at {
            return self.ping(now);
        }
        if silence < IMPATIENCE || !watched() {
            return Beat::Quiet;
        }
        match self.pinged.filter(|pinged| *pinged > self.heard) {
            Some(pinged) if now >= pinged + IMPATIENCE => Beat::Dead,
            Some(_) => Beat::Quiet,
            None => self.ping(now),
        }
    }

    fn ping(&mut self, now: Instant) -> Beat {
        self.ping_at = now + self.interval;
        self.pinged = Some(now);
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_pinged_and_dies_after_three_silent_intervals() {
        let mut pulse = Pulse::with(Duration::from_secs(10));
        let start = pulse.heard;
        assert_eq!(pulse.beat(start + Duration::from_secs(9), || false), Beat::Quiet);
        assert_eq!(pulse.beat(start + Duration::from_secs(10), || false), Beat::Ping);
        assert_eq!(pulse.beat(start + Duration::from_secs(20), || false), Beat::Ping);
        assert_eq!(pulse.beat(start + Duration::from_secs(31), || false), Beat::Dead);
    }

    #[test]
    fn a_silent_session_that_owes_answers_dies_soon() {
        let mut pulse = Pulse::with(Duration::from_secs(60));
        let start = pulse.heard;
        assert_eq!(pulse.wake_at(true), start + IMPATIENCE);
        assert_eq!(pulse.beat(start + IMPATIENCE, || true), Beat::Ping);
        let pinged = start + IMPATIENCE;
        assert_eq!(pulse.wake_at(true), pinged + IMPATIENCE);
        assert_eq!(pulse.beat(pinged + IMPATIENCE / 2, || true), Beat::Quiet);
        assert_eq!(pulse.beat(pinged + IMPATIENCE, || true), Beat::Dead);
    }

    #[test]
    fn an_answer_keeps_it_alive() {
        let mut pulse = Pulse::with(Duration::from_secs(60));
        let start = pulse.heard;
        assert_eq!(pulse.beat(start + IMPATIENCE, || true), Beat::Ping);
        pulse.heard = start + IMPATIENCE + Duration::from_millis(1);
        assert_eq!(pulse.beat(pulse.heard + IMPATIENCE / 2, || true), Beat::Quiet);
        assert_eq!(pulse.beat(pulse.heard + IMPATIENCE, || true), Beat::Ping);
    }
}
