//! `load fanout`: one room, many followers, and how long a message takes to reach them all.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hansard_client::{Client, ClientError, Follow, Item, Start, v1::Visibility};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    args::FanoutArgs,
    latency::Latencies,
    payload::{Stamp, Writer},
    process,
    report::Report,
    target::{Target, with_target},
};

/// How long the last messages may take to reach everybody.
const DRAIN: Duration = Duration::from_secs(30);
/// Messages under way at once; those that are due while none may start count from when they were due.
const IN_FLIGHT: u32 = 64;
/// Items that a follower takes at once.
const BATCH: usize = 256;

/// What all followers share.
struct Room {
    begun: Instant,
    measure_from: Instant,
    latencies: Mutex<Latencies>,
    deliveries: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: FanoutArgs) -> Result<bool> {
    let needed = u64::from(args.followers) + 64;
    if process::open_files_limit().is_some_and(|limit| limit < needed) {
        bail!("{} followers need {needed} open files; raise the limit: ulimit -n {needed}", args.followers);
    }
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &FanoutArgs, target: &Target) -> Result<Report> {
    let publisher = target.connect().await?;
    let room = publisher.create_room("load fanout", "", Visibility::Public).await?.id;
    let clients = target.connect_many(args.followers).await.context("while the followers connected")?;
    let follows = follow_all(&clients, &room).await?;

    let begun = Instant::now();
    let measure_from = begun + Duration::from_secs(args.common.warmup);
    let until = measure_from + Duration::from_secs(args.common.seconds);
    let shared = Arc::new(Room {
        begun,
        measure_from,
        latencies: Mutex::new(Latencies::new()),
        deliveries: AtomicU64::new(0),
        wrong: Mutex::default(),
    });
    let mut readers = JoinSet::new();
    for follow in follows {
        readers.spawn(read(follow, shared.clone()));
    }
    let publishing = tokio::spawn(publish_all(
        publisher,
        room,
        Arc::new(Clock { begun, until, rate: args.rate }),
        args.bytes,
        args.common.seed,
    ));
    sleep_until(measure_from).await;
    let before = target.meter.sample().await;
    let (delivered_before, counted_from) = (shared.deliveries.load(Ordering::Relaxed), Instant::now());
    let sent = publishing.await??;
    let expected = sent * u64::from(args.followers);
    while shared.deliveries.load(Ordering::Relaxed) < expected && until.elapsed() < DRAIN {
        sleep(Duration::from_millis(5)).await;
    }
    let elapsed = counted_from.elapsed();
    let all = shared.deliveries.load(Ordering::Relaxed);
    let costs = target.meter.sample().await.since(&before);
    readers.abort_all();

    let deliveries = all - delivered_before;
    let mut report = Report::new("fanout", &args.common);
    report.add("followers", args.followers);
    report.add("messages", sent);
    report.add("deliveries", deliveries);
    report.add_rounded("rate", deliveries as f64 / elapsed.as_secs_f64());
    report.add_latencies("delivery", lock(&shared.latencies).percentiles());
    report.add_costs("delivery", deliveries, costs);
    let doubles: u64 = clients.iter().map(|client| client.stats().doubles).sum();
    let holes: u64 = clients.iter().map(|client| client.stats().holes).sum();
    report.add("lost", expected.saturating_sub(all));
    report.add("duplicated", all.saturating_sub(expected));
    report.add("reordered", lock(&shared.wrong).len());
    report.add("doubles_dropped", doubles);
    report.add("holes", holes);
    report.add("pauses", clients.iter().map(|client| client.stats().pauses).sum::<u64>());
    if all != expected || holes > 0 {
        report.fail(format!("{all} deliveries of {expected} came, with {holes} holes"));
    }
    if let Some(first) = lock(&shared.wrong).first() {
        report.fail(format!("a follower went wrong: {first}"));
    }
    report.check(&args.common, "rate", "delivery_p99_ms", "server_cpu_us_per_delivery");
    Ok(report)
}

/// Follows the room in every session, and waits until all follows stand.
async fn follow_all(clients: &[Client], room: &str) -> Result<Vec<Follow>> {
    let mut follows = clients.iter().map(|client| client.follow(room, Start::Now)).collect::<Result<Vec<_>, _>>()?;
    for follow in &mut follows {
        match timeout(DRAIN, follow.next()).await.context("a follow did not stand in time")? {
            Some(Item::Followed { .. }) => {}
            other => bail!("a follow began with {other:?}"),
        }
    }
    Ok(follows)
}

/// Reads a follow until it is told to stop, and checks that messages come in the publisher's order, each once.
async fn read(mut follow: Follow, room: Arc<Room>) {
    let mut items = Vec::with_capacity(BATCH);
    let mut last_seq = 0;
    while follow.next_many(&mut items, BATCH).await > 0 {
        let now = Instant::now();
        for item in items.drain(..) {
            let event = match item {
                Item::Event(event) => event,
                Item::Followed { .. } => continue,
                other => {
                    lock(&room.wrong).push(format!("{other:?}"));
                    continue;
                }
            };
            if event.seq <= last_seq {
                lock(&room.wrong).push(format!("seq {} after {last_seq}", event.seq));
            }
            last_seq = event.seq;
            let Some(stamp) = Stamp::read(&event.text) else {
                continue;
            };
            room.deliveries.fetch_add(1, Ordering::Relaxed);
            let intended = room.begun + Duration::from_micros(stamp.intended_us);
            if intended >= room.measure_from {
                lock(&room.latencies).record(now.saturating_duration_since(intended));
            }
        }
    }
}

/// When messages are due.
struct Clock {
    begun: Instant,
    until: Instant,
    rate: u32,
}

impl Clock {
    fn due(&self, number: u64) -> Instant {
        self.begun + Duration::from_secs_f64(number as f64 / f64::from(self.rate))
    }
}

/// Sends messages when they are due; returns how many were acked. Every failure ends the test.
async fn publish_all(client: Client, room: String, clock: Arc<Clock>, bytes: u32, seed: u64) -> Result<u64> {
    let next = Arc::new(Mutex::new((0, Writer::new(seed, 0))));
    let mut workers: JoinSet<Result<u64, ClientError>> = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, room, clock, next) = (client.clone(), room.clone(), clock.clone(), next.clone());
        workers.spawn(async move {
            let mut acked = 0;
            loop {
                let (due, text) = {
                    let mut next = lock(&next);
                    let (counter, due) = (next.0, clock.due(next.0));
                    if due >= clock.until {
                        return Ok(acked);
                    }
                    next.0 += 1;
                    let intended_us = due.duration_since(clock.begun).as_micros() as u64;
                    (due, next.1.text(Stamp { publisher: 0, counter, intended_us }, bytes as usize))
                };
                sleep_until(due).await;
                client.send(&room, text).await?;
                acked += 1;
            }
        });
    }
    let mut acked = 0;
    while let Some(worker) = workers.join_next().await {
        acked += worker?.context("while the publisher sent")?;
    }
    Ok(acked)
}
