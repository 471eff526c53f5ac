//! Which other nodes are lost.
//!
//! A node is lost when it has ended: no stream from it stands, and its address refuses connections. Or when it has fallen
//! silent: for [`SILENT_TICKS`] of this node's own ticks nothing came from it. A node is never silent while it lives: over its
//! stream it gives signs of life (see [`super::peers`]). Ticks are counted, not time: a process that was held up itself blames
//! nobody for it.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Signs of life that a lost node has not given.
pub(super) const SILENT_BEATS: u32 = 3;
/// Ticks in the silence of a lost node.
pub(super) const SILENT_TICKS: u32 = 15;

/// What this node sees of all others.
pub struct Detector {
    nodes: Mutex<HashMap<u64, Arc<Signs>>>,
    changed: watch::Sender<()>,
}

impl Detector {
    /// Nobody is lost yet. Who says nothing for `silence` will be.
    pub(super) fn start(silence: Duration) -> Arc<Detector> {
        let detector = Arc::new(Detector::new());
        tokio::spawn(tick(Arc::downgrade(&detector), silence / SILENT_TICKS));
        detector
    }

    fn new() -> Detector {
        Detector { nodes: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Whether the node is lost.
    pub fn lost(&self, node: u64) -> bool {
        self.signs(node).lost()
    }

    /// Changes when a node may be lost from now on.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A stream from the node stands, until this is dropped.
    pub fn opened(self: &Arc<Self>, node: u64) -> Standing {
        let signs = self.signs(node);
        signs.seen(|seen| seen.streams += 1);
        signs.heard();
        Standing { detector: self.clone(), signs }
    }

    /// The node did not take a connection.
    pub(super) fn not_connected(&self, node: u64, error: &(dyn Error + 'static)) {
        if is_refused(error) {
            self.signs(node).seen(|seen| seen.refused = true);
            self.changed.send_replace(());
        }
    }

    /// The node took a connection.
    pub(super) fn connected(&self, node: u64) {
        self.signs(node).seen(|seen| seen.refused = false);
    }

    pub(super) fn signs(&self, node: u64) -> Arc<Signs> {
        self.nodes.lock().expect("no holder panics").entry(node).or_default().clone()
    }

    fn tick(&self) {
        let nodes: Vec<_> = self.nodes.lock().expect("no holder panics").values().cloned().collect();
        let fell_silent = nodes.iter().filter(|signs| signs.tick()).count();
        if fell_silent > 0 {
            self.changed.send_replace(());
        }
    }
}

async fn tick(detector: Weak<Detector>, every: Duration) {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Some(detector) = detector.upgrade() else { return };
        detector.tick();
    }
}

/// What this node sees of another.
#[derive(Default)]
pub(super) struct Signs {
    /// Messages that came from it.
    heard: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Streams from it that stand.
    streams: usize,
    /// Its address refused the last connection.
    refused: bool,
    /// What had been heard at the last tick, and for how many ticks nothing more.
    heard: u64,
    silent: u32,
}

impl Signs {
    /// A message came from the node.
    pub(super) fn heard(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn lost(&self) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        self.seen(|seen| (seen.refused && seen.streams == 0) || (seen.heard == heard && seen.silent >= SILENT_TICKS))
    }

    /// True if the node fell silent with this tick.
    fn tick(&self) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        self.seen(|seen| {
            seen.silent = if seen.heard == heard { seen.silent.saturating_add(1) } else { 0 };
            seen.heard = heard;
            seen.silent == SILENT_TICKS
        })
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().expect("no holder panics"))
    }
}

/// A standing stream from another node.
pub struct Standing {
    detector: Arc<Detector>,
    signs: Arc<Signs>,
}

impl Standing {
    /// A message came over it.
    pub(super) fn heard(&self) {
        self.signs.heard();
    }

    pub(super) fn detector(&self) -> &Arc<Detector> {
        &self.detector
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.signs.seen(|seen| seen.streams -= 1);
        self.detector.changed.send_replace(());
    }
}

/// Whether nobody listens at the address: the process has ended, while its machine goes on.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[tokio::test]
    async fn a_node_has_ended_when_its_streams_are_gone_and_its_address_refuses() {
        let detector = Arc::new(Detector::new());
        let mut changed = detector.changed();
        let (first, second) = (detector.opened(7), detector.opened(7));
        assert!(!detector.lost(7));
        detector.not_connected(7, &refusal());
        assert!(!detector.lost(7), "it still talks to us: what refuses is not its process");
        drop(first);
        assert!(!detector.lost(7));
        changed.mark_unchanged();
        drop(second);
        assert!(detector.lost(7) && changed.has_changed().unwrap());
        assert!(!detector.lost(8), "others are judged by their own signs");
        let back = detector.opened(7);
        assert!(!detector.lost(7), "it is back");
        detector.connected(7);
        drop(back);
        assert!(!detector.lost(7), "a stream that breaks is no sign while the address answers");
    }

    #[test]
    fn only_a_refusal_says_that_nobody_listens() {
        let wrapped = tonic::Status::from_error(Box::new(refusal()));
        assert!(is_refused(&refusal()) && is_refused(&wrapped));
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset, io::ErrorKind::NetworkUnreachable] {
            assert!(!is_refused(&io::Error::from(kind)));
        }
        assert!(!is_refused(&tonic::Status::unavailable("connection refused, it says")));
    }

    #[test]
    fn a_node_falls_silent_once_and_one_word_ends_it() {
        let detector = Detector::new();
        let changed = detector.changed();
        let signs = detector.signs(7);
        for _ in 1..SILENT_TICKS {
            detector.tick();
        }
        assert!(!detector.lost(7) && !changed.has_changed().unwrap());
        detector.tick();
        assert!(detector.lost(7) && changed.has_changed().unwrap());
        signs.heard();
        assert!(!detector.lost(7), "at once, not with the next tick");
        detector.tick();
        assert!(!detector.lost(7));
        for _ in 0..SILENT_TICKS {
            detector.tick();
        }
        assert!(detector.lost(7));
    }

    #[tokio::test]
    async fn ticks_make_the_silence() {
        let silence = Duration::from_millis(75);
        let from = tokio::time::Instant::now();
        let detector = Detector::start(silence);
        let mut changed = detector.changed();
        detector.signs(7).heard();
        tokio::time::timeout(Duration::from_secs(30), changed.changed()).await.expect("in time").unwrap();
        assert!(detector.lost(7));
        // The first tick comes at once.
        assert!(from.elapsed() >= silence - silence / SILENT_TICKS, "{:?}", from.elapsed());
    }
}
