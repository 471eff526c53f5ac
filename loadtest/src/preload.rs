//! `load append --preload-rooms` and `--preload-messages`: what is stored before, and must cost nothing while it is measured.

use std::time::Duration;

use anyhow::{Context, Result};
use hansard_client::Client;
use tokio::time::{Instant, sleep};

use crate::{
    args::AppendArgs,
    book::{Found, Texts},
    fill,
    history::read_whole,
    report::Report,
};

/// Rooms for messages, when no number of rooms was asked for.
const ROOMS: u32 = 64;
/// Numbers of rooms that no publisher has.
const FIRST: u32 = 1 << 24;
/// How many rooms are read from end to end: of a million, some.
const READ: usize = 64;
/// What was stored is compacted for a while; this is no part of what the load costs.
const REST: Duration = Duration::from_secs(5);

/// What was stored.
#[derive(Default)]
pub(crate) struct Preloaded {
    rooms: usize,
    messages: u64,
    rooms_took: Duration,
    messages_took: Duration,
    found: Found,
}

/// Stores what was asked for, and reads some of it.
pub(crate) async fn store(args: &AppendArgs, clients: &[Client]) -> Result<Preloaded> {
    let count = if args.preload_rooms == 0 && args.preload_messages > 0 { ROOMS } else { args.preload_rooms };
    if count == 0 {
        return Ok(Preloaded::default());
    }
    let begun = Instant::now();
    let texts = Texts { seed: args.common.seed, room: FIRST, bytes: args.bytes as usize };
    let rooms = fill::rooms(clients, count, texts).await?;
    let (rooms_took, begun) = (begun.elapsed(), Instant::now());
    let each = args.preload_messages.div_ceil(count.into());
    if each > 0 {
        fill::fill(&rooms, each).await.context("while messages were stored before")?;
    }
    let messages_took = begun.elapsed();
    let some: Vec<_> = rooms.iter().step_by(rooms.len().div_ceil(READ)).cloned().collect();
    let found = read_whole(&some).await.context("while what was stored before was read")?;
    sleep(REST).await;
    Ok(Preloaded { rooms: rooms.len(), messages: fill::acked(&rooms), rooms_took, messages_took, found })
}

impl Preloaded {
    /// Says what was stored.
    pub(crate) fn report(&self, report: &mut Report) {
        if self.rooms == 0 {
            return;
        }
        report.add("preloaded_rooms", self.rooms);
        report.add_rounded("preload_rooms_seconds", self.rooms_took.as_secs_f64());
        report.add("preloaded_messages", self.messages);
        report.add_rounded("preload_messages_seconds", self.messages_took.as_secs_f64());
        if self.found.broken() {
            report.fail(format!("what was stored before is not where it was acked to be: {:?}", self.found));
        }
    }
}
