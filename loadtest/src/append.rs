//! `load append`: many publishers, many rooms; everything acked is read back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use hansard_client::{Client, ClientError, v1::Visibility};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    args::AppendArgs,
    latency::Latencies,
    ledger::{Findings, Ledger},
    payload::{Stamp, Writer},
    preload,
    readback::read_room,
    report::Report,
    target::{Target, with_target},
};

/// How many rooms are created or read back at once.
const ROOMS_AT_ONCE: usize = 8;
/// How long the servers get to write what they still hold, before the costs are counted.
const SETTLE: Duration = Duration::from_secs(1);

/// What happened to the messages so far.
#[derive(Default)]
struct Tally {
    acked: u64,
    refused: u64,
    unknown: u64,
    retried: u64,
    first_error: Option<String>,
    foreign: u64,
}

/// What all publishers share.
struct Load {
    begun: Instant,
    measure_from: Instant,
    until: Instant,
    /// Between two messages of one publisher; `None`: closed loop.
    interval: Option<Duration>,
    bytes: usize,
    latencies: Mutex<Latencies>,
    tally: Mutex<Tally>,
}

struct Publisher {
    number: u32,
    client: Client,
    rooms: Vec<String>,
    /// When its first message is due, so that publishers do not send in step.
    phase: Duration,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    writer: Writer,
    due: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: AppendArgs) -> Result<bool> {
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &AppendArgs, target: &Target) -> Result<Report> {
    let clients = target.connect_many(args.publishers).await.context("while the publishers connected")?;
    let rooms = create_rooms(&clients, args.rooms).await.context("while the rooms were created")?;
    let preloaded = preload::store(args, &clients).await?;
    let interval = args.rate.map(|rate| Duration::from_secs_f64(f64::from(args.publishers) / f64::from(rate)));
    let publishers = publishers(args, clients, &rooms, interval);

    let begun = Instant::now();
    let measure_from = begun + Duration::from_secs(args.common.warmup);
    let until = measure_from + Duration::from_secs(args.common.seconds);
    let bytes = args.bytes as usize;
    let (latencies, tally) = (Mutex::new(Latencies::new()), Mutex::default());
    let load = Arc::new(Load { begun, measure_from, until, interval, bytes, latencies, tally });
    let mut workers = JoinSet::new();
    for publisher in &publishers {
        for _ in 0..args.inflight {
            workers.spawn(publish(publisher.clone(), load.clone()));
        }
    }
    sleep_until(measure_from).await;
    let before = target.meter.sample().await;
    let (acked_before, counted_from) = (lock(&load.tally).acked, Instant::now());
    while let Some(worker) = workers.join_next().await {
        worker?;
    }
    let drained = Instant::now();
    let acked = lock(&load.tally).acked - acked_before;
    sleep(SETTLE).await;
    let costs = target.meter.sample().await.since(&before);

    let reading = Instant::now();
    let findings = read_back(&publishers, &rooms, &load).await.context("while the rooms were read back")?;
    let mut report = Report::new("append", &args.common);
    report.add("rooms", args.rooms);
    report.add("publishers", args.publishers);
    report.add("inflight", args.inflight);
    report.add("bytes", args.bytes);
    report.add("open_loop_rate", args.rate);
    preloaded.report(&mut report);
    report.add("messages", acked);
    report.add_rounded("rate", acked as f64 / (drained - counted_from).as_secs_f64());
    report.add_rounded("drain_seconds", drained.saturating_duration_since(until).as_secs_f64());
    report.add_latencies("ack", lock(&load.latencies).percentiles());
    report.add_costs("message", acked, costs);
    report.add_rounded("read_back_seconds", reading.elapsed().as_secs_f64());
    judge(&mut report, &lock(&load.tally), findings);
    report.check(&args.common, "rate", "ack_p99_ms", "server_cpu_us_per_message");
    Ok(report)
}

fn judge(report: &mut Report, tally: &Tally, findings: Findings) {
    report.add("acked", tally.acked);
    report.add("lost", findings.lost);
    report.add("duplicated", findings.duplicated);
    report.add("reordered", findings.reordered);
    report.add("misplaced", findings.misplaced);
    report.add("unknown", tally.unknown);
    report.add("unknown_committed", findings.unknown_committed);
    report.add("refused", tally.refused);
    report.add("retried", tally.retried);
    report.add("overtaken", findings.overtaken);
    report.add("foreign", tally.foreign);
    report.add("first_error", &tally.first_error);
    if findings.broken() {
        report.fail(format!("messages are not where they were acked to be: {findings:?}"));
    }
    if tally.refused > 0 {
        report.fail(format!(
            "{} messages were refused: {}",
            tally.refused,
            tally.first_error.as_deref().unwrap_or("?")
        ));
    }
    if tally.foreign > 0 {
        report.fail(format!("{} messages are there that nobody sent", tally.foreign));
    }
    if tally.acked == 0 {
        report.fail("nothing was acked");
    }
}

/// The rooms that a publisher sends to, as indices: all rooms are shared out evenly.
fn rooms_of(publisher: u32, publishers: u32, rooms: u32) -> Vec<u32> {
    if rooms <= publishers {
        return vec![publisher % rooms];
    }
    (publisher..rooms).step_by(publishers as usize).collect()
}

fn publishers(
    args: &AppendArgs,
    clients: Vec<Client>,
    rooms: &[String],
    interval: Option<Duration>,
) -> Vec<Arc<Publisher>> {
    let publishers = clients.into_iter().zip(0..).map(|(client, number)| {
        let own = rooms_of(number, args.publishers, args.rooms);
        let rooms: Vec<_> = own.iter().map(|room| rooms[*room as usize].clone()).collect();
        let phase = interval.unwrap_or_default().mul_f64(f64::from(number) / f64::from(args.publishers));
        let state =
            State { ledger: Ledger::new(rooms.len()), writer: Writer::new(args.common.seed, number.into()), due: 0 };
        Arc::new(Publisher { number, client, rooms, phase, state: Mutex::new(state) })
    });
    publishers.collect()
}

async fn create_rooms(clients: &[Client], count: u32) -> Result<Vec<String>> {
    let mut rooms = Vec::new();
    while rooms.len() < count as usize {
        let some = ROOMS_AT_ONCE.min(count as usize - rooms.len());
        let first = rooms.len();
        let mut numbers = first..first + some;
        let created = crate::connect::all(some, || {
            let number = numbers.next().unwrap_or_default();
            let client = clients[number % clients.len()].clone();
            async move {
                let name = format!("load {number}");
                Ok(client.create_room(&name, "", Visibility::Public).await?.id)
            }
        });
        rooms.extend(created.await?);
    }
    Ok(rooms)
}

/// One place in flight of a publisher: sends one message after the other until the time is up.
async fn publish(publisher: Arc<Publisher>, load: Arc<Load>) {
    loop {
        let intended = match load.interval {
            None => Instant::now(),
            Some(interval) => {
                let mut state = lock(&publisher.state);
                let due = state.due;
                state.due += 1;
                load.begun + publisher.phase + interval.mul_f64(due as f64)
            }
        };
        if intended >= load.until {
            return;
        }
        if load.interval.is_some() {
            sleep_until(intended).await;
        }
        if !publish_one(&publisher, &load, intended).await {
            return;
        }
    }
}

/// Sends one message; returns whether there is sense in sending more.
async fn publish_one(publisher: &Publisher, load: &Load, intended: Instant) -> bool {
    let (ticket, text) = {
        let mut state = lock(&publisher.state);
        let ticket = state.ledger.send();
        let intended_us = intended.duration_since(load.begun).as_micros() as u64;
        let stamp = Stamp { publisher: publisher.number, counter: ticket.counter, intended_us };
        (ticket, state.writer.text(stamp, load.bytes))
    };
    let outcome = publisher.client.send(&publisher.rooms[ticket.room], text).await;
    let mut tally = lock(&load.tally);
    match outcome {
        Ok(receipt) => {
            tally.acked += 1;
            tally.retried += u64::from(receipt.attempts > 1);
            drop(tally);
            lock(&publisher.state).ledger.acked(ticket, receipt.seq);
            if intended >= load.measure_from {
                lock(&load.latencies).record(intended.elapsed());
            }
            true
        }
        Err(error) => {
            let unknown = matches!(error, ClientError::Unknown { .. });
            tally.unknown += u64::from(unknown);
            tally.refused += u64::from(!unknown);
            tally.first_error.get_or_insert_with(|| error.to_string());
            // What is refused once is refused for ever; a bounded number of them tells enough.
            unknown && publisher.client.ended().is_none()
        }
    }
}

async fn read_back(publishers: &[Arc<Publisher>], rooms: &[String], load: &Arc<Load>) -> Result<Findings> {
    let at_once = Arc::new(Semaphore::new(ROOMS_AT_ONCE));
    let publishers: Arc<[_]> = publishers.into();
    let count = rooms.len();
    let mut readers = JoinSet::new();
    for (number, room) in rooms.iter().cloned().enumerate() {
        let (at_once, publishers, load) = (at_once.clone(), publishers.clone(), load.clone());
        readers.spawn(async move {
            let _place = at_once.acquire().await?;
            let client = publishers[number % publishers.len()].client.clone();
            // Where the room stands among those of its publishers.
            let own = if count <= publishers.len() { 0 } else { number / publishers.len() };
            read_room(&client, &room, |event| {
                if event.kind != "message" {
                    return;
                }
                let stamp = Stamp::read(&event.text);
                let publisher = stamp.and_then(|stamp| publishers.get(stamp.publisher as usize));
                let known = publisher.zip(stamp).is_some_and(|(publisher, stamp)| {
                    let is_here = publisher.rooms.get(own).is_some_and(|expected| *expected == room);
                    is_here && lock(&publisher.state).ledger.seen(own, stamp.counter, event.seq)
                });
                lock(&load.tally).foreign += u64::from(!known);
            })
            .await
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    let mut findings = Findings::default();
    for publisher in publishers.iter() {
        findings.add(&lock(&publisher.state).ledger.findings());
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_shared_out() {
        assert_eq!(rooms_of(3, 64, 64), [3]);
        assert_eq!(rooms_of(66, 100, 64), [2]);
        assert_eq!(rooms_of(1, 2, 5), [1, 3]);
        let mut all: Vec<_> = (0..7).flat_map(|publisher| rooms_of(publisher, 7, 100)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        for publisher in 0..7 {
            for (own, room) in rooms_of(publisher, 7, 100).into_iter().enumerate() {
                assert_eq!((room / 7) as usize, own, "read back at the place where it was sent");
            }
        }
    }
}
