//! People at work: senders with request ids, and subscribers. Each writes its history.

mod follower;
mod sender;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hansard_checker::Writer;
use hansard_checker::format::Kind;
use hansard_client::v1::Visibility;
use hansard_client::{Client, ClientError, Config, Item, Start};
use tokio::task::JoinHandle;

use crate::rig::{Rig, router_urls};
use sender::Sender;
use tally::Tally;

/// Rooms: several for each shard.
const ROOMS: usize = 16;
/// Senders. Every second one waits for each ack before its next send.
const SENDERS: usize = 8;
/// How much of all that is sent comes from one who waits, and from one who does not.
const SHARES: [f64; 2] = [1.0 / 32.0, 7.0 / 32.0];
/// Subscribers, all of all rooms. Every second one goes and comes back all the time.
const FOLLOWERS: usize = 4;

/// How long the cluster may take to serve.
const SERVES: Duration = Duration::from_secs(120);
/// How long sends that are under way may take to end: longer than any sender insists.
const ENDS: Duration = Duration::from_secs(90);
/// How long subscribers may take to see the last of a room.
const SEEN: Duration = Duration::from_secs(120);

/// Everybody at work.
pub(crate) struct Load {
    rooms: Arc<Vec<String>>,
    tally: Arc<Tally>,
    /// Senders send no more.
    enough: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Result<()>>>,
    followers: Vec<JoinHandle<Result<()>>>,
    heads: tokio::sync::watch::Sender<Option<Vec<u64>>>,
}

/// Connects as a person, with one of the routers first; tries for as long as a cluster may be away.
async fn connect(token: &str, first: usize) -> Result<Client, ClientError> {
    let mut routers = router_urls();
    let count = routers.len();
    routers.rotate_left(first % count);
    let config = Config {
        connect_deadline: SERVES,
        // Insists until it knows, through all faults but the longest.
        deadline: Duration::from_secs(45),
        ..Config::new(routers, token)
    };
    Client::connect(config).await
}

impl Load {
    /// Makes rooms, lets everybody in, and starts them.
    pub(crate) fn start(rig: &Rig, rate: u64) -> Result<Self> {
        let owner = rig.issuer.token("owner", &[])?;
        let senders = (0..SENDERS).map(|n| rig.issuer.token(&format!("sender{n}"), &[])).collect::<Result<Vec<_>>>()?;
        let followers =
            (0..FOLLOWERS).map(|n| rig.issuer.token(&format!("follower{n}"), &[])).collect::<Result<Vec<_>>>()?;
        let everybody: Vec<String> = senders.iter().chain(&followers).cloned().collect();
        let runtime = &rig.operator.runtime;
        let rooms = Arc::new(rig.block_on(make_rooms(&owner, &everybody)).context("making rooms")?);
        let tally = Arc::new(Tally::new(ROOMS));
        let enough = Arc::new(AtomicBool::new(false));
        let (heads, known) = tokio::sync::watch::channel(None);
        let (clock, histories) = (rig.journal.clock(), &rig.paths.histories);
        let mut load = Self {
            rooms: rooms.clone(),
            tally: tally.clone(),
            enough: enough.clone(),
            senders: vec![],
            followers: vec![],
            heads,
        };
        for (number, token) in senders.into_iter().enumerate() {
            let sender = Sender {
                number,
                token,
                rooms: rooms.clone(),
                tally: tally.clone(),
                enough: enough.clone(),
                clock,
                rate: rate as f64 * SHARES[number % 2],
                waits: number.is_multiple_of(2),
                busy: vec![0; ROOMS],
                history: Writer::create(histories, Kind::Client, &format!("sender{number}"))?,
            };
            load.senders.push(runtime.spawn(sender.run()));
        }
        for (number, token) in followers.into_iter().enumerate() {
            let history = Writer::create(histories, Kind::Follower, &format!("follower{number}"))?;
            load.followers.push(runtime.spawn(follower::run(number, token, rooms.clone(), known.clone(), history)));
        }
        Ok(load)
    }

    /// Sends that were acked so far.
    pub(crate) fn acked(&self) -> u64 {
        self.tally.acked()
    }

    /// Begins to look for the first acks of what is sent from a time on.
    pub(crate) fn watch_from(&self, time: u64) {
        self.tally.watch_from(time);
    }

    /// When the last room acked something that was sent since then; `None` while one has not.
    pub(crate) fn all_rooms_took(&self) -> Option<u64> {
        self.tally.all_acked()
    }

    /// No more is sent; waits for the outcome of all that was.
    pub(crate) fn finish_sending(&mut self, rig: &Rig) -> Result<()> {
        self.enough.store(true, Ordering::SeqCst);
        rig.block_on(async {
            for sender in self.senders.drain(..) {
                tokio::time::timeout(ENDS, sender).await.context("a sender does not end")???;
            }
            Ok(())
        })
    }

    /// Waits until all subscribers have seen all of every room.
    pub(crate) fn finish_following(self, rig: &Rig) -> Result<()> {
        let token = rig.issuer.token("owner", &[])?;
        rig.block_on(async {
            let client = connect(&token, 0).await?;
            let mut heads = vec![];
            for room in self.rooms.iter() {
                heads.push(head(&client, room).await?);
            }
            self.heads.send_replace(Some(heads));
            for follower in self.followers {
                tokio::time::timeout(SEEN, follower)
                    .await
                    .context("a subscriber does not see the end of its rooms")???;
            }
            Ok(())
        })
    }
}

/// The last seq of a room.
async fn head(client: &Client, room: &str) -> Result<u64> {
    let mut follow = client.follow(room, Start::Now)?;
    loop {
        match tokio::time::timeout(SEEN, follow.next()).await.context("a room does not answer")? {
            Some(Item::Followed { head_seq, .. }) => return Ok(head_seq),
            Some(Item::Ended(error)) => return Err(error.into()),
            Some(_) => {}
            None => anyhow::bail!("a follow ended"),
        }
    }
}

async fn make_rooms(owner: &str, everybody: &[String]) -> Result<Vec<String>> {
    let owner = connect(owner, 0).await?;
    let mut rooms = vec![];
    for number in 0..ROOMS {
        rooms.push(owner.create_room(&format!("room {number}"), "", Visibility::Public).await?.id);
    }
    let entering = everybody.iter().map(async |token| {
        let client = connect(token, 0).await?;
        for room in &rooms {
            client.join(room).await?;
        }
        Ok::<(), ClientError>(())
    });
    futures_util::future::try_join_all(entering).await?;
    Ok(rooms)
}
