//! People who talk all the time, and one who hears all of it. Each writes its history.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use hansard_checker::Writer;
use hansard_checker::format::{Client as Line, Follower as Heard, Kind};
use hansard_client::v1::Visibility;
use hansard_client::{Client, ClientError, Item, Receipt, RequestId, Start};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::PATIENCE;
use crate::cluster::Cluster;

const ROOMS: usize = 12;
const SENDERS: usize = 12;
/// Between an ack and the sender's next message, milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 5..40;
/// The same while people are asked to be slow.
const SLOW: Duration = Duration::from_millis(300);
/// How long a sender waits before it gives a try up, and tries again with the same id.
const IMPATIENCE: Duration = Duration::from_millis(400);
/// One of so many messages is sent again after its ack.
const AGAIN: u32 = 8;

/// What all senders share.
#[derive(Debug, Default)]
struct Tally {
    acked: Vec<AtomicU64>,
    /// Tries that were given up, and whose outcome was learned later.
    resolved: AtomicU64,
    slow: AtomicBool,
    enough: AtomicBool,
}

/// Everybody at work.
pub(crate) struct Load {
    rooms: Arc<Vec<String>>,
    tally: Arc<Tally>,
    senders: Vec<JoinHandle<Result<()>>>,
    follower: JoinHandle<Result<()>>,
    heads: watch::Sender<Option<Vec<u64>>>,
}

impl Load {
    /// Makes rooms, lets everybody in, and starts them.
    pub(crate) fn start(cluster: &Cluster, histories: &std::path::Path, seed: u64) -> Result<Self> {
        let runtime = &cluster.runtime;
        let people: Vec<String> =
            (0..SENDERS).map(|number| cluster.token(&format!("sender{number}"))).collect::<Result<_>>()?;
        let (rooms, clients) = runtime.block_on(enter(cluster.token("listener")?, people)).context("making rooms")?;
        let (rooms, start) = (Arc::new(rooms), Instant::now());
        let tally = Arc::new(Tally { acked: (0..SENDERS).map(|_| AtomicU64::new(0)).collect(), ..Tally::default() });
        let (heads, known) = watch::channel(None);
        let mut clients = clients.into_iter();
        let listener = clients.next().context("a listener")?;
        let history = Writer::create(histories, Kind::Follower, "listener")?;
        let follower = runtime.spawn(follow(listener, rooms.clone(), known, history));
        let senders = clients.enumerate().map(|(number, client)| {
            let history = Writer::create(histories, Kind::Client, &format!("sender{number}"))?;
            let dice = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
            let room = rooms[number % ROOMS].clone();
            let sender = Sender { number, client, room, tally: tally.clone(), start, dice, history };
            Ok(runtime
                .spawn(async move { sender.run().await.inspect_err(|error| eprintln!("sender{number}: {error:#}")) }))
        });
        let senders = senders.collect::<Result<_>>()?;
        Ok(Self { rooms, tally, senders, follower, heads })
    }

    /// Waits until every sender has got another message through, begun from now on.
    pub(crate) fn goes_on(&self, cluster: &Cluster) -> Result<()> {
        let counts = || self.tally.acked.iter().map(|acked| acked.load(Ordering::SeqCst));
        // The next ack may be of what was begun before.
        let wanted: Vec<u64> = counts().map(|count| count + 2).collect();
        cluster.runtime.block_on(async {
            let until = Instant::now() + PATIENCE;
            while counts().zip(&wanted).any(|(count, wanted)| count < *wanted) {
                ensure!(Instant::now() < until, "not all rooms take messages");
                ensure!(!self.senders.iter().any(JoinHandle::is_finished), "a sender has ended");
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        })
    }

    /// Has people talk slowly, so that few entries are made, or as before.
    pub(crate) fn slow(&self, slow: bool) {
        self.tally.slow.store(slow, Ordering::SeqCst);
    }

    /// Has a stranger join a room through a router, now or later.
    pub(crate) fn visit(&self, cluster: &Cluster, token: String, router: usize) {
        let rooms = self.rooms.clone();
        cluster.runtime.spawn(async move { Cluster::connect(token, router).await?.join(&rooms[0]).await });
    }

    /// Tries that were given up, and whose outcome was learned by trying again with the same id.
    pub(crate) fn resolved(&self) -> u64 {
        self.tally.resolved.load(Ordering::SeqCst)
    }

    /// Ends it, once every outcome is known and everything is heard.
    pub(crate) fn finish(self, cluster: &Cluster) -> Result<()> {
        self.tally.enough.store(true, Ordering::SeqCst);
        let token = cluster.token("listener")?;
        cluster.runtime.block_on(async {
            for sender in self.senders {
                timeout(PATIENCE, sender).await.context("a sender does not end")???;
            }
            let client = Cluster::connect(token, 0).await?;
            let mut heads = vec![];
            for room in self.rooms.iter() {
                heads.push(client.history(room, 0, 0, 1).await?.head_seq);
            }
            self.heads.send_replace(Some(heads));
            timeout(PATIENCE, self.follower).await.context("the listener does not hear all")??
        })
    }
}

/// Makes rooms that everybody is in. The clients: the listener's, then the senders'.
async fn enter(listener: String, people: Vec<String>) -> Result<(Vec<String>, Vec<Client>)> {
    let owner = Cluster::connect(listener, 0).await?;
    let mut rooms = vec![];
    for number in 0..ROOMS {
        rooms.push(owner.create_room(&format!("room {number}"), "", Visibility::Public).await?.id);
    }
    let entering = people.into_iter().enumerate().map(async |(number, token)| {
        let client = Cluster::connect(token, number).await?;
        client.join(&rooms[number % ROOMS]).await?;
        Ok::<Client, ClientError>(client)
    });
    let clients = try_join_all(entering).await?;
    Ok((rooms, [vec![owner], clients].concat()))
}

struct Sender {
    number: usize,
    client: Client,
    room: String,
    tally: Arc<Tally>,
    start: Instant,
    dice: StdRng,
    history: Writer,
}

impl Sender {
    async fn run(mut self) -> Result<()> {
        for count in 0_u64.. {
            if self.tally.enough.load(Ordering::SeqCst) {
                break;
            }
            let id = RequestId::fresh();
            let (op, text) =
                (id.to_string(), format!("{}.{count} {}", self.number, "x".repeat(self.dice.random_range(0..200))));
            self.history.line(&Line::Invoke { op: &op, room: &self.room, text: (&*text).into(), at: self.now() })?;
            let seq = self.insist(id, &text).await?.seq;
            self.history.line(&Line::Ack { op: &op, seq, at: self.now() })?;
            if self.dice.random_ratio(1, AGAIN) {
                let again = self.insist(id, &text).await?.seq;
                ensure!(again == seq, "{op} was acked at {seq}, and at {again} when it was sent again");
            }
            self.tally.acked[self.number].fetch_add(1, Ordering::SeqCst);
            let pause = Duration::from_millis(self.dice.random_range(PAUSE_MS));
            sleep(if self.tally.slow.load(Ordering::SeqCst) { SLOW } else { pause }).await;
        }
        self.history.finish()
    }

    /// Sends until the outcome is known, with the same id.
    async fn insist(&self, id: RequestId, text: &str) -> Result<Receipt> {
        let until = Instant::now() + PATIENCE;
        for tries in 0_u32.. {
            match self.client.send_with(&self.room, text, id, Instant::now() + IMPATIENCE * (tries + 1)).await {
                Ok(receipt) => {
                    self.tally.resolved.fetch_add(u64::from(tries.min(1)), Ordering::SeqCst);
                    return Ok(receipt);
                }
                Err(ClientError::Unknown { .. }) if Instant::now() < until => {}
                Err(error) => bail!("sender{} is told: {error}", self.number),
            }
        }
        unreachable!("tries do not end by themselves")
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Follows all rooms until all of every room is heard. `heads`: their last seqs, once nothing more is sent.
async fn follow(
    client: Client,
    rooms: Arc<Vec<String>>,
    heads: watch::Receiver<Option<Vec<u64>>>,
    history: Writer,
) -> Result<()> {
    let history = Mutex::new(history);
    let ends = rooms.iter().enumerate().map(|(number, room)| hear(&client, room, number, heads.clone(), &history));
    try_join_all(ends).await?;
    history.into_inner().finish()
}

async fn hear(
    client: &Client,
    room: &str,
    number: usize,
    mut heads: watch::Receiver<Option<Vec<u64>>>,
    history: &Mutex<Writer>,
) -> Result<()> {
    let mut follow = client.follow(room, Start::After(0))?;
    history.lock().await.line(&Heard::Start { room, after: 0 })?;
    let mut cursor = 0;
    loop {
        if heads.borrow_and_update().as_ref().is_some_and(|heads| cursor >= heads[number]) {
            return history.lock().await.line(&Heard::End { room, seq: cursor });
        }
        let item = tokio::select! {
            item = follow.next() => item,
            _ = heads.changed() => continue,
        };
        let mut history = history.lock().await;
        match item {
            Some(Item::Event(event)) => {
                history.line(&Heard::Event { room, seq: event.seq, text: event.text.into() })?;
                cursor = event.seq;
            }
            Some(Item::Followed { .. }) => {}
            other => bail!("the listener hears {other:?} of room {room}"),
        }
    }
}
