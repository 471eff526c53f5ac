//! A person who sends to all rooms, each message with an id of its own that is kept through every retry. One waits for each
//! ack; another sends bursts, and many at a time, but not too many to one room: rooms whose shard is away must not keep it
//! from the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hansard_checker::Writer;
use hansard_checker::format::Client as Line;
use hansard_client::{Client, ClientError, Receipt, RequestId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep_until};

use super::connect;
use super::tally::Tally;
use crate::journal::RunClock;

/// Sends under way of one who does not wait for each ack: as many as a router takes from a session.
const WINDOW: usize = 256;
/// Of them, to one room.
const ROOM_WINDOW: usize = 24;
/// Sends that one who does not wait begins at once.
const BURST: u32 = 8;
/// One of so many sends is given up soon, and its outcome never learned.
const IMPATIENT: u32 = 24;
/// How long the others insist.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Sender {
    pub(super) number: usize,
    pub(super) token: String,
    pub(super) rooms: Arc<Vec<String>>,
    pub(super) tally: Arc<Tally>,
    pub(super) enough: Arc<AtomicBool>,
    pub(super) clock: RunClock,
    /// Messages per second, at most.
    pub(super) rate: f64,
    /// Whether it waits for each ack.
    pub(super) waits: bool,
    /// Room to sends under way.
    pub(super) busy: Vec<usize>,
    pub(super) history: Writer,
}

/// A send with its outcome.
struct Sent {
    op: String,
    room: usize,
    invoked: u64,
    outcome: Result<Receipt, ClientError>,
}

impl Sender {
    /// Sends until it is enough, and all outcomes are known or given up.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut dice = StdRng::seed_from_u64(self.number as u64);
        let mut client = connect(&self.token, self.number).await?;
        let (window, burst) = if self.waits { (1, 1) } else { (WINDOW, BURST) };
        let pause = Duration::from_secs_f64(f64::from(burst) / self.rate);
        let mut under_way = FuturesUnordered::new();
        let mut due = Instant::now();
        let mut count = 0;
        while !self.enough.load(Ordering::SeqCst) {
            // Whoever is behind does not catch up: faults would be followed by storms.
            due = Instant::now().max(due + pause);
            loop {
                tokio::select! {
                    Some(sent) = under_way.next(), if !under_way.is_empty() => self.note(&sent)?,
                    () = sleep_until(due) => break,
                }
            }
            if client.ended().is_some() {
                client = connect(&self.token, count as usize).await?;
            }
            for _ in 0..burst {
                let room = dice.random_range(0..self.rooms.len());
                if under_way.len() < window && self.busy[room] < ROOM_WINDOW {
                    under_way.push(self.begin(&client, room, count, &mut dice)?);
                    count += 1;
                }
            }
        }
        while let Some(sent) = under_way.next().await {
            self.note(&sent)?;
        }
        self.history.finish()
    }

    fn begin(
        &mut self,
        client: &Client,
        room: usize,
        count: u64,
        dice: &mut StdRng,
    ) -> Result<impl Future<Output = Sent> + use<>> {
        self.busy[room] += 1;
        let id = RequestId::fresh();
        let op = id.to_string();
        let text = format!("{}.{count} {}", self.number, "x".repeat(dice.random_range(0..160)));
        let impatient = dice.random_ratio(1, IMPATIENT);
        let patience = if impatient { Duration::from_millis(dice.random_range(2..200)) } else { PATIENCE };
        let room_id = self.rooms[room].clone();
        let invoked = self.clock.now();
        self.history.line(&Line::Invoke { op: &op, room: &room_id, text: (&*text).into(), at: invoked })?;
        let client = client.clone();
        Ok(async move {
            let outcome = client.send_with(&room_id, text, id, Instant::now() + patience).await;
            Sent { op, room, invoked, outcome }
        })
    }

    fn note(&mut self, sent: &Sent) -> Result<()> {
        self.busy[sent.room] -= 1;
        let (op, now) = (&*sent.op, self.clock.now());
        match &sent.outcome {
            Ok(receipt) => {
                self.tally.ack(sent.room, sent.invoked, now);
                self.history.line(&Line::Ack { op, seq: receipt.seq, at: now })
            }
            Err(ClientError::Refused(detail)) => self.history.line(&Line::Refused { op, why: &detail.reason }),
            Err(_) => self.history.line(&Line::Unknown { op }),
        }
    }
}
