//! A person who follows all rooms from their first entry, and goes on from the last one seen after every absence.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use hansard_checker::Writer;
use hansard_checker::format::Follower as Line;
use hansard_client::{Client, Item, Start};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};

use super::connect;

/// Items taken at a time.
const BATCH: usize = 256;
/// How often one looks up from a room where nothing happens.
const GLANCE: Duration = Duration::from_millis(500);
/// How long one stays who comes and goes, in seconds.
const STAY: std::ops::Range<u64> = 3..20;

/// Follows until all of every room is seen. `heads`: their last seqs, once nothing more is sent.
pub(super) async fn run(
    number: usize,
    token: String,
    rooms: Arc<Vec<String>>,
    heads: watch::Receiver<Option<Vec<u64>>>,
    history: Writer,
) -> Result<()> {
    let mut dice = StdRng::seed_from_u64(number as u64);
    let mut cursors = vec![0; rooms.len()];
    let history = Mutex::new(history);
    for visit in 0.. {
        let client = connect(&token, number + visit).await?;
        let stays = number.is_multiple_of(2);
        let stay = Duration::from_secs(if stays { 3_600 } else { dice.random_range(STAY) });
        let until = Instant::now() + stay;
        let visits = cursors.iter_mut().enumerate().map(|(room, cursor)| {
            let visit = Visit { room: &rooms[room], number: room, until, heads: &heads, history: &history };
            visit.follow(&client, cursor)
        });
        let ends = try_join_all(visits).await?;
        if ends.into_iter().all(|seen_all| seen_all) {
            break;
        }
        client.close();
    }
    let mut history = history.into_inner();
    for (room, seq) in rooms.iter().zip(cursors) {
        history.line(&Line::End { room, seq })?;
    }
    history.finish()
}

/// One stay in one room.
struct Visit<'a> {
    room: &'a str,
    number: usize,
    until: Instant,
    heads: &'a watch::Receiver<Option<Vec<u64>>>,
    history: &'a Mutex<Writer>,
}

impl Visit<'_> {
    /// Whether all of the room is seen.
    async fn follow(self, client: &Client, cursor: &mut u64) -> Result<bool> {
        let room = self.room;
        self.history.lock().await.line(&Line::Start { room, after: *cursor })?;
        let mut follow = client.follow(room, Start::After(*cursor))?;
        let mut items = vec![];
        loop {
            if self.heads.borrow().as_ref().is_some_and(|heads| *cursor >= heads[self.number]) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= self.until {
                return Ok(false);
            }
            let glance = timeout_at(self.until.min(now + GLANCE), follow.next_many(&mut items, BATCH)).await;
            if glance.is_ok_and(|count| count == 0) {
                return Ok(false);
            }
            let mut history = self.history.lock().await;
            for item in items.drain(..) {
                match item {
                    Item::Event(event) => {
                        history.line(&Line::Event { room, seq: event.seq, text: event.text.into() })?;
                        *cursor = event.seq;
                    }
                    Item::Gap(gap) => {
                        history.line(&Line::Missing { room, from: gap.from_seq, to: gap.to_seq })?;
                        *cursor = gap.to_seq;
                    }
                    Item::Hole { from_seq, to_seq, .. } => {
                        history.line(&Line::Missing { room, from: from_seq, to: to_seq })?;
                        *cursor = to_seq;
                    }
                    Item::Ended(_) => return Ok(false),
                    _ => {}
                }
            }
        }
    }
}
