//! `load recovery`: a node loses its disk while people talk, and a new one takes its place, as an operator has it done.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use hansard_client::{Client, v1::NodeState};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    args::RecoveryArgs,
    book::Texts,
    fill::{self, Room},
    history::read_whole,
    latency::Latencies,
    meter::Costs,
    report::Report,
    scrape,
    target::{Target, with_target},
};

/// Entries of a shard's record, which are its rooms' messages but for a few.
const RECORD: &str = "hansard_node_shard_record_entries";
/// Between two looks at how far the new node has come.
const LOOK: Duration = Duration::from_millis(100);
/// How long a step of the operator's, and the catching up, may take.
const STEP: Duration = Duration::from_secs(60);
const CATCH_UP: Duration = Duration::from_secs(900);
/// Messages under way of one room at most, when acks are slow.
const UNDER_WAY: usize = 32;
/// When acks are counted: before anything happens, while a node is missing, while a new one catches up, and afterwards.
const PHASES: [&str; 4] = ["before", "missing", "during", "after"];

/// People who talk at a rate, each in a room of their own.
struct Talk {
    begun: Instant,
    interval: Duration,
    phase: AtomicUsize,
    stop: AtomicBool,
    latencies: Mutex<[Latencies; PHASES.len()]>,
}

/// What was seen of the new node.
struct Recovered {
    /// From the operator's call on until it is a voter of all shards and has all that had been acked until a moment before.
    caught_up: Duration,
    /// Entries that it took in until then.
    entries: u64,
    costs: Costs,
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: RecoveryArgs) -> Result<bool> {
    ensure!(args.common.dev, "a disk is wiped: only a cluster of its own will do; say --dev");
    ensure!(args.common.nodes >= 3, "fewer than 3 nodes do not survive the loss of one; say --nodes 3");
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &RecoveryArgs, target: &Target) -> Result<Report> {
    let clients = target.connect_many(args.rooms).await.context("while the senders connected")?;
    let texts = Texts { seed: args.common.seed, room: 0, bytes: args.bytes as usize };
    let rooms = fill::rooms(&clients, args.rooms, texts).await?;
    fill::fill(&rooms, u64::from(args.messages).div_ceil(args.rooms.into()))
        .await
        .context("while rooms were filled")?;
    let filled = fill::acked(&rooms);

    let interval = Duration::from_secs_f64(f64::from(args.rooms) / f64::from(args.rate));
    let talk = Arc::new(Talk {
        begun: Instant::now(),
        interval,
        phase: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        latencies: Mutex::new(std::array::from_fn(|_| Latencies::new())),
    });
    let mut senders = JoinSet::new();
    for room in &rooms {
        let due = Arc::new(AtomicU64::new(0));
        for _ in 0..UNDER_WAY {
            senders.spawn(send(room.clone(), due.clone(), talk.clone()));
        }
    }
    sleep(Duration::from_secs(args.common.warmup)).await;
    *talk.latencies() = std::array::from_fn(|_| Latencies::new());
    sleep(Duration::from_secs(args.common.seconds)).await;
    let recovered = replace(args, target, &talk).await?;
    talk.phase.store(3, Ordering::Relaxed);
    sleep(Duration::from_secs(args.common.seconds)).await;
    talk.stop.store(true, Ordering::Relaxed);
    while let Some(sender) = senders.join_next().await {
        sender?.context("a sender ended")?;
    }
    let stopped = Instant::now();
    let entries = equal(target).await?;
    let equal_after = stopped.elapsed();
    let found = read_whole(&rooms).await.context("while the rooms were read back")?;

    let mut report = Report::new("recovery", &args.common);
    report.add("rooms", args.rooms);
    report.add("bytes", args.bytes);
    report.add("filled", filled);
    report.add("open_loop_rate", args.rate);
    report.add("caught_up_messages", recovered.entries);
    report.add_rounded("caught_up_seconds", recovered.caught_up.as_secs_f64());
    report.add_rounded("rate", recovered.entries as f64 / recovered.caught_up.as_secs_f64());
    let percentiles = talk.latencies().each_ref().map(Latencies::percentiles);
    for (phase, found) in PHASES.into_iter().zip(percentiles) {
        report.add_latencies(&format!("{phase}_ack"), found);
    }
    report.add_rounded("p99_during_over_before", percentiles[2].p99 / percentiles[0].p99);
    report.add_costs("caught_up_message", recovered.entries, recovered.costs);
    report.add("equal_entries", entries);
    report.add_rounded("equal_after_seconds", equal_after.as_secs_f64());
    report.add("acked", fill::acked(&rooms));
    report.add("lost", found.lost);
    report.add("duplicated", found.doubled);
    report.add("misplaced", found.wrong);
    if found.broken() {
        report.fail(format!("messages are not where they were acked to be: {found:?}"));
    }
    if recovered.entries < filled {
        report.fail(format!("the new node took in {} of {filled} messages: nothing was measured", recovered.entries));
    }
    report.check(&args.common, "rate", "during_ack_p99_ms", "server_cpu_us_per_caught_up_message");
    Ok(report)
}

impl Talk {
    fn latencies(&self) -> MutexGuard<'_, [Latencies; PHASES.len()]> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place under way of a room's sender. A message counts where it should have been sent.
async fn send(room: Arc<Room>, due: Arc<AtomicU64>, talk: Arc<Talk>) -> Result<()> {
    // So that rooms do not send in step.
    let offset = talk.interval.mul_f64(f64::from(room.book.texts.room % 64) / 64.0);
    while !talk.stop.load(Ordering::Relaxed) {
        let turn = due.fetch_add(1, Ordering::Relaxed);
        let intended = talk.begun + offset + talk.interval.mul_f64(turn as f64);
        sleep_until(intended).await;
        let phase = talk.phase.load(Ordering::Relaxed);
        room.send_next().await?;
        talk.latencies()[phase].record(intended.elapsed());
    }
    Ok(())
}

/// Kills a node, wipes its disk, and replaces it as docs/kubernetes.md says.
async fn replace(args: &RecoveryArgs, target: &Target, talk: &Talk) -> Result<Recovered> {
    let operator = target.connect().await?;
    let index = usize::from(args.common.nodes) - 1;
    let old = target.node(index)?;
    talk.phase.store(1, Ordering::Relaxed);
    old.end(false)?;
    target.wipe(&old).await?;
    target.restart(&old.name).await?;
    let new = standby(&operator, &old.name).await?;
    talk.phase.store(2, Ordering::Relaxed);
    let (begun, before) = (Instant::now(), target.meter.sample().await);
    operator.join_node(new).await?;
    operator.decommission_node(old.id).await?;
    let urls = &target.meter.metrics;
    let mut least = BTreeMap::new();
    loop {
        ensure!(begun.elapsed() < CATCH_UP, "the new node has not caught up within {CATCH_UP:?}");
        let here = scrape::by_label(&urls[index], RECORD).await.unwrap_or_default();
        let has_all = |shard: &String, least: &u64| here.get(shard).is_some_and(|here| here >= least);
        if !least.is_empty() && least.iter().all(|(shard, least)| has_all(shard, least)) {
            let status = operator.cluster_status().await?;
            if status.shards.iter().all(|shard| shard.voters.contains(&new) && shard.learners.is_empty()) {
                let costs = target.meter.sample().await.since(&before);
                return Ok(Recovered { caught_up: begun.elapsed(), entries: here.values().sum(), costs });
            }
        }
        // What any other has now, the new one has to have at a later look.
        least = BTreeMap::new();
        for url in urls.iter().take(index) {
            for (shard, entries) in scrape::by_label(url, RECORD).await.unwrap_or_default() {
                let known = least.entry(shard).or_insert(entries);
                *known = entries.max(*known);
            }
        }
        sleep(LOOK).await;
    }
}

/// The id of the node that came back without its disk: as long as the old one is known, it has a name of its own after that.
async fn standby(operator: &Client, name: &str) -> Result<u64> {
    let (begun, after) = (Instant::now(), format!("{name}-"));
    loop {
        let status = operator.cluster_status().await?;
        let mut news =
            status.nodes.iter().filter(|node| node.name.starts_with(&after) && node.state() == NodeState::Standby);
        if let Some(node) = news.find(|node| node.reachable) {
            return Ok(node.id);
        }
        ensure!(begun.elapsed() < STEP, "{name} does not stand by: {status:?}");
        sleep(LOOK).await;
    }
}

/// Waits until all replicas of each shard have the same number of entries; how many those are in all.
async fn equal(target: &Target) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let mut shards: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for url in &target.meter.metrics {
            for (shard, entries) in scrape::by_label(url, RECORD).await.context("a node's metrics")? {
                shards.entry(shard).or_default().push(entries);
            }
        }
        let differs = shards.iter().find(|(_, replicas)| replicas.iter().any(|entries| *entries != replicas[0]));
        match differs {
            None => return Ok(shards.values().map(|replicas| replicas[0]).sum()),
            Some(differs) if begun.elapsed() > STEP => bail!("replicas are not equal after {STEP:?}: {differs:?}"),
            Some(_) => sleep(LOOK).await,
        }
    }
}
