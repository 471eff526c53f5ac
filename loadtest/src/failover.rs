//! `load failover`: nodes are killed one after the other while people talk, and how long each room is silent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use hansard_client::{
    Client,
    v1::{GetClusterStatusResponse, Visibility},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    args::FailoverArgs,
    latency::Latencies,
    readback::read_room,
    report::Report,
    target::{Target, with_target},
};

/// Slots of a cluster, which a new one shares out among its shards in equal runs.
const SLOTS: usize = 4_096;
/// How long after a kill rooms are watched.
const WATCHED: Duration = Duration::from_secs(5);
/// How long the cluster may take to be whole again.
const WHOLE: Duration = Duration::from_secs(60);
/// How long it must have been whole before the next kill: leaders are balanced again after a restart.
const STEADY: Duration = Duration::from_secs(3);

/// A room, its sender, and what was sent.
struct Talk {
    client: Client,
    room: String,
    pause: Duration,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    acked: Vec<Sent>,
    /// When the message that waits for its ack was sent.
    under_way: Option<Instant>,
}

/// A message that was acked.
#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    took: Duration,
    seq: u64,
}

/// The silences that were found.
struct Silences {
    led: Latencies,
    others: Latencies,
    rooms_led: u64,
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: FailoverArgs) -> Result<bool> {
    ensure!(args.common.dev, "processes are killed: only a cluster of its own will do; say --dev");
    ensure!(args.common.nodes >= 3, "fewer than 3 nodes do not survive the loss of one; say --nodes 3");
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &FailoverArgs, target: &Target) -> Result<Report> {
    let talks = start_talks(args, target).await?;
    let mut senders = JoinSet::new();
    for talk in &talks {
        senders.spawn(send(talk.clone()));
    }
    let operator = target.connect().await?;
    let mut silences = Silences { led: Latencies::new(), others: Latencies::new(), rooms_led: 0 };
    for kill in 0..args.kills as usize {
        let status = whole(&operator).await?;
        let node = target.node(kill % usize::from(args.common.nodes))?;
        let at = Instant::now();
        node.end(args.drain)?;
        sleep(WATCHED).await;
        silences.note(&talks, &status, node.id, at);
        target.restart(&node.name).await?;
    }
    talks.iter().for_each(|talk| talk.stop.store(true, Ordering::Relaxed));
    while let Some(sender) = senders.join_next().await {
        sender?.context("a sender ended")?;
    }
    let (mut acked, mut lost) = (0, 0);
    for talk in &talks {
        let (sent, missing) = talk.read_back().await?;
        acked += sent;
        lost += missing;
    }
    let mut report = Report::new("failover", &args.common);
    report.add("rooms", args.rooms);
    report.add("kills", args.kills);
    report.add("drain", args.drain);
    report.add("acked", acked);
    report.add("lost", lost);
    report.add("silences_of_rooms_led_by_the_killed", silences.rooms_led);
    report.add_latencies("led_silence", silences.led.percentiles());
    report.add_latencies("other_silence", silences.others.percentiles());
    if lost > 0 {
        report.fail(format!("{lost} messages are not where they were acked to be"));
    }
    if silences.rooms_led == 0 {
        report.fail("no room was led by a node that was killed: nothing was measured");
    }
    report.check(&args.common, "acked", "led_silence_p99_ms", "server_cpu_us_per_message");
    Ok(report)
}

async fn start_talks(args: &FailoverArgs, target: &Target) -> Result<Vec<Arc<Talk>>> {
    let pause = Duration::from_millis(args.pause_ms);
    let mut talks = Vec::new();
    for (number, client) in target.connect_many(args.rooms).await?.into_iter().enumerate() {
        let room = client.create_room(&format!("failover {number}"), "", Visibility::Private).await?.id;
        let (stop, state) = (AtomicBool::new(false), Mutex::default());
        talks.push(Arc::new(Talk { client, room, pause, stop, state }));
    }
    Ok(talks)
}

/// Sends one message after the other.
async fn send(talk: Arc<Talk>) -> Result<()> {
    while !talk.stop.load(Ordering::Relaxed) {
        let at = Instant::now();
        talk.state().under_way = Some(at);
        let receipt = talk.client.send(&talk.room, "is anybody there?").await?;
        talk.acked(Sent { at, took: at.elapsed(), seq: receipt.seq });
        sleep(talk.pause).await;
    }
    Ok(())
}

/// Waits until every node is up and leads something, every shard has a leader, and it stays so.
async fn whole(operator: &Client) -> Result<GetClusterStatusResponse> {
    let deadline = Instant::now() + WHOLE;
    let mut since = Instant::now();
    let mut before = BTreeMap::new();
    loop {
        let status = operator.cluster_status().await?;
        let leaders: BTreeMap<_, _> = status.shards.iter().map(|shard| (shard.name.clone(), shard.leader)).collect();
        let leading: BTreeSet<_> = leaders.values().copied().collect();
        let is_whole = status.nodes.iter().all(|node| node.reachable && leading.contains(&node.id));
        if !is_whole || leaders != before {
            since = Instant::now();
            before = leaders;
        }
        if since.elapsed() >= STEADY {
            return Ok(status);
        }
        if Instant::now() > deadline {
            bail!("the cluster is not whole within {WHOLE:?} after a restart: {status:?}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

impl Talk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acked(&self, sent: Sent) {
        let mut state = self.state();
        state.under_way = None;
        state.acked.push(sent);
    }

    /// The longest that a message took, or has taken until now, that was under way at `from` or sent later.
    fn silence(&self, from: Instant) -> Duration {
        let state = self.state();
        let acked = state.acked.iter().filter(|sent| sent.at + sent.took > from).map(|sent| sent.took);
        acked.chain(state.under_way.map(|at| at.elapsed())).max().unwrap_or_default()
    }

    /// How many messages were acked, and how many of them are not there.
    async fn read_back(&self) -> Result<(usize, usize)> {
        let mut there = BTreeSet::new();
        read_room(&self.client, &self.room, |event| {
            if event.kind == "message" {
                there.insert(event.seq);
            }
        })
        .await?;
        let state = self.state();
        Ok((state.acked.len(), state.acked.iter().filter(|sent| !there.remove(&sent.seq)).count()))
    }
}

impl Silences {
    fn note(&mut self, talks: &[Arc<Talk>], status: &GetClusterStatusResponse, killed: u64, at: Instant) {
        let shards: Vec<u64> =
            status.shards.iter().filter(|shard| shard.name != "meta").map(|shard| shard.leader).collect();
        for talk in talks {
            let led = ordinal(&talk.room, shards.len()).and_then(|shard| shards.get(shard)) == Some(&killed);
            if led { &mut self.led } else { &mut self.others }.record(talk.silence(at));
            self.rooms_led += u64::from(led);
        }
    }
}

/// The shard of a room in a cluster that nobody has rearranged: its slot is the id's first 12 bits.
fn ordinal(room: &str, shards: usize) -> Option<usize> {
    let slot = usize::from_str_radix(room.get(..3)?, 16).ok()?;
    Some(slot * shards / SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_where_the_slots_were_first_shared_out() {
        assert_eq!(ordinal("000fffffffffffffffffffffffffffff", 12), Some(0));
        assert_eq!(ordinal("fff00000000000000000000000000000", 12), Some(11));
        assert_eq!(ordinal("80000000000000000000000000000000", 2), Some(1));
        assert_eq!(ordinal("no room", 12), None);
    }
}
