//! A connection: one task that drives a session over whatever carries its frames.
//!
//! The task never waits for the client alone. Frames for it wait in a bounded queue; while that is full, follows stay at
//! their cursors and no pages are read, and beyond it no call starts and nothing more is taken from the client. A client
//! that takes nothing for 30 s is cut, or one that has much to take and takes too little. So a slow client costs a bounded
//! queue, and holds nobody up.

mod calls;
mod flights;
mod inbox;
mod io;
mod patience;
mod perform;
mod sessions;

use std::pin::pin;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tonic::Code;

pub(crate) use inbox::{Inbox, Left, Order, Soft};
pub(crate) use io::{Asked, Codec, FrameSink, FrameSource, Gone, Outbound};
pub(crate) use sessions::Sessions;

use crate::edge::Edge;
use crate::limits::{OUTBOUND_BYTES, OUTBOUND_FRAMES, OUTBOUND_HARD_BYTES, OUTBOUND_HARD_FRAMES, STALLED_TIMEOUT};
use crate::metrics::{Carrier, Metrics};
use crate::reason;
use crate::session::{Effect, End, FrameFault, Session};
use hansard_proto::status;
use patience::Patience;
use perform::Performer;

/// Frames that are taken from a client before the session's effects are done: few, as each may have several.
const FRAMES_AT_ONCE: usize = 32;
/// Live entries that are taken before their bytes are looked at: at most 1 MiB of texts.
const ENTRIES_AT_ONCE: usize = 64;

/// Drives a session until it ends.
pub(crate) async fn serve(
    edge: Arc<Edge>,
    mut source: impl FrameSource,
    mut sink: impl FrameSink,
    codec: Codec,
    carrier: Carrier,
) {
    let gauge = edge.metrics.sessions.get_or_create_owned(&carrier);
    gauge.inc();
    let mut connection = Connection::new(edge, codec, &carrier);
    let end = connection.run(&mut source, &mut sink).await;
    match &end {
        Some(end) => connection.leave(&mut sink, end).await,
        // The carrier's own answer to a client that closes.
        None => drop(tokio::time::timeout(perform::LAST_WORDS, sink.flush()).await),
    }
    gauge.dec();
}

struct Connection {
    session: Session,
    performer: Performer,
    outbound: Outbound,
    patience: Patience,
    pushed: bool,
    frames_in: prometheus_client::metrics::counter::Counter,
}

impl Connection {
    fn new(edge: Arc<Edge>, codec: Codec, carrier: &Carrier) -> Self {
        let frames_in = edge.metrics.frames_in.get_or_create_owned(carrier);
        let session = Session::new(Instant::now(), edge.sessions.rates());
        let performer = Performer::new(edge, codec, carrier);
        Self {
            session,
            performer,
            outbound: Outbound::default(),
            patience: Patience::default(),
            pushed: false,
            frames_in,
        }
    }

    /// Runs until the session ends. `None`: the client is gone.
    async fn run(&mut self, source: &mut impl FrameSource, sink: &mut impl FrameSink) -> Option<End> {
        let mut effects = Vec::new();
        let mut timer = pin!(tokio::time::sleep_until(self.next_tick()));
        loop {
            let full = self.is_full();
            let progress = !full && self.pump(&mut effects);
            if let Some(end) = self.performer.perform(&mut effects, &mut self.outbound) {
                return Some(end);
            }
            if self.write(sink).is_err() {
                return self.client_gone(&mut effects);
            }
            self.performer.start_calls(&self.outbound);
            if (full || progress) && !self.is_full() {
                // There is room, and there may be more: nobody else will say so.
                if full {
                    let waited = self.performer.inbox.take();
                    self.take(waited, &mut effects);
                }
                continue;
            }
            let now = Instant::now();
            let listens = self.outbound.len() < OUTBOUND_HARD_FRAMES && self.outbound.bytes() < OUTBOUND_HARD_BYTES;
            if !listens {
                self.session.excuse_silence(now);
            }
            let tick = self.next_tick();
            // One that fires too early costs less than one that is set anew with every frame.
            if tick < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(tick);
            }
            let (waits, flushes) = (!self.outbound.is_empty(), self.pushed);
            let inbox = self.performer.inbox.clone();
            tokio::select! {
                frame = source.next(), if listens => match frame {
                    Some(frame) => {
                        self.frame(now, frame, &mut effects);
                        // Whatever else has come already, so that it goes on together.
                        for _ in 1..FRAMES_AT_ONCE {
                            let Some(Some(frame)) = source.next().now_or_never() else { break };
                            self.frame(now, frame, &mut effects);
                        }
                    }
                    None => return self.client_gone(&mut effects),
                },
                Some(done) = self.performer.work.next(), if !self.performer.work.is_empty() => {
                    self.performer.done(done, &mut self.session, &mut effects);
                    // Whatever else is done already, without asking the others in between.
                    while let Some(Some(done)) = self.performer.work.next().now_or_never() {
                        self.performer.done(done, &mut self.session, &mut effects);
                    }
                }
                () = inbox.changed() => {
                    let left = if self.is_full() { inbox.take_but_soft() } else { inbox.take() };
                    self.take(left, &mut effects);
                }
                moved = async { if waits { sink.ready().await } else { sink.flush().await } }, if waits || flushes => {
                    if moved.is_err() {
                        return self.client_gone(&mut effects);
                    }
                    if !waits {
                        self.flushed();
                    }
                }
                () = &mut timer => self.tick(&mut effects),
            }
        }
    }

    fn frame(&mut self, now: Instant, frame: Result<Asked, FrameFault>, effects: &mut Vec<Effect>) {
        self.frames_in.inc();
        self.session.on_frame(now, frame, effects);
    }

    /// Whether so much waits for the client that follows pause.
    fn is_full(&self) -> bool {
        self.outbound.bytes() >= OUTBOUND_BYTES || self.outbound.len() >= OUTBOUND_FRAMES
    }

    /// Delivers live entries and asks for pages. Returns whether there was anything to do.
    fn pump(&mut self, effects: &mut Vec<Effect>) -> bool {
        let before = effects.len();
        let rings = self.performer.rings();
        let room = OUTBOUND_FRAMES.saturating_sub(self.outbound.len());
        self.session.pump(room.min(ENTRIES_AT_ONCE), &rings, effects);
        effects.len() > before
    }

    /// Hands on what the carrier takes without waiting.
    fn write(&mut self, sink: &mut impl FrameSink) -> Result<(), Gone> {
        while !self.outbound.is_empty() {
            match sink.ready().now_or_never() {
                Some(ready) => ready?,
                None => break,
            }
            self.push_one(sink);
        }
        if self.outbound.is_empty()
            && self.pushed
            && let Some(flushed) = sink.flush().now_or_never()
        {
            flushed?;
            self.flushed();
        }
        self.patience.waits(self.outbound.len(), self.outbound.bytes(), self.pushed, Instant::now);
        Ok(())
    }

    fn flushed(&mut self) {
        self.pushed = false;
        self.patience.flushed();
    }

    fn push_one(&mut self, sink: &mut impl FrameSink) {
        if let Some(frame) = self.outbound.pop() {
            self.pushed = true;
            self.patience.taken();
            self.performer.frames_out.inc();
            // An error shows at the next `ready`.
            let _ = sink.push(frame);
        }
    }

    fn take(&mut self, left: Left, effects: &mut Vec<Effect>) {
        self.performer.answered(left.answers, &mut self.session, effects);
        left.news.into_iter().for_each(|room| self.session.on_news(room));
        left.soft.into_iter().for_each(|soft| self.session.on_soft(soft, effects));
        if let Some(Order { status, after }) = left.order {
            self.session.end(Some(status), after, effects);
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        let now = Instant::now();
        if let Some(text) = self.patience.lost(now) {
            self.session.end(Some(status::new(Code::Aborted, reason::CLIENT_STALLED, text)), None, effects);
        }
        self.session.on_tick(now, effects);
    }

    fn next_tick(&self) -> Instant {
        let ticks = [self.patience.next_tick(), self.session.next_tick()];
        ticks.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + STALLED_TIMEOUT)
    }

    fn client_gone(&mut self, effects: &mut Vec<Effect>) -> Option<End> {
        self.session.on_closed(effects);
        self.performer.perform(effects, &mut self.outbound);
        None
    }

    /// Says why, as far as the client listens.
    async fn leave(&mut self, sink: &mut impl FrameSink, end: &End) {
        if let Some(status) = &end.status {
            Metrics::count(&self.performer.edge.metrics.ended, status);
        }
        let last_words = async {
            // What was acked before must not get lost behind the end.
            while !self.outbound.is_empty() {
                sink.ready().await?;
                self.push_one(sink);
            }
            sink.close(end).await;
            Ok::<(), Gone>(())
        };
        let _ = tokio::time::timeout(perform::LAST_WORDS, last_words).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.performer.leave(&self.session);
    }
}
