//! Talking while something happens to the cluster, and the proof that nothing was lost, doubled, reordered or held up.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hansard_client::{Client, Config, Item, Start, v1::Visibility};
use tokio::task::JoinHandle;

use crate::harness::Cluster;

/// A client of the SDK that knows every router.
pub async fn client(cluster: &Cluster, subject: &str) -> Client {
    let routers = cluster.ready.routers.iter().map(|router| router.grpc.clone());
    let mut config = Config::new(routers, cluster.token(subject));
    config.connect_deadline = Duration::from_secs(60);
    config.deadline = Duration::from_secs(60);
    Client::connect(config).await.expect("connected")
}

/// Rooms in which senders talk, one message after the other, and a follower of each.
pub struct Talk {
    senders: Vec<JoinHandle<Sent>>,
    followers: Vec<JoinHandle<BTreeMap<u64, String>>>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    reader: Client,
}

/// What one sender has to show.
struct Sent {
    room: String,
    /// seq by text, as acked.
    acked: BTreeMap<String, u64>,
    /// The longest time that one message took.
    stall: Duration,
    started: Instant,
}

/// What a talk came to.
pub struct Outcome {
    pub acked: u64,
    pub stall: Duration,
}

impl Talk {
    /// Starts `rooms` senders, who go on until [`Talk::finish`].
    pub async fn start(cluster: &Cluster, rooms: usize) -> Talk {
        let reader = client(cluster, "bob").await;
        let bob = reader.person();
        let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (mut senders, mut followers) = (Vec::new(), Vec::new());
        for n in 0..rooms {
            let alice = client(cluster, "alice").await;
            let room = alice.create_room(&format!("talk {n}"), "", Visibility::Private).await.expect("a room").id;
            alice.invite(&room, &bob, hansard_client::v1::Role::Member).await.expect("invited");
            let mut follow = reader.follow(&room, Start::After(2)).expect("followed");
            followers.push(tokio::spawn(async move {
                let mut heard = BTreeMap::new();
                while let Some(item) = follow.next().await {
                    match item {
                        Item::Event(event) if event.text == LAST_WORD => break,
                        Item::Event(event) => {
                            assert!(heard.insert(event.seq, event.text).is_none(), "seq {} came twice", event.seq);
                        }
                        Item::Followed { .. } => {}
                        other => panic!("{other:?} in a follow"),
                    }
                }
                heard
            }));
            senders.push(tokio::spawn(send(alice, room, Arc::clone(&stop), Arc::clone(&acked))));
        }
        Talk { senders, followers, stop, acked, reader }
    }

    /// How many messages were acked until now.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until so many messages were acked in all.
    pub async fn until(&self, acked: u64) {
        while self.acked() < acked {
            assert!(self.senders.iter().any(|sender| !sender.is_finished()), "the senders ended at {}", self.acked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until every sender has been acked `more` times from now: the cluster serves all rooms.
    pub async fn goes_on(&self, more: u64) {
        self.until(self.acked() + more * self.senders.len() as u64).await;
    }

    /// Lets all senders finish, and compares what was acked with the history and with what the followers heard.
    pub async fn finish(self) -> Outcome {
        if self.stop.swap(true, Ordering::Relaxed) {
            panic!("finished twice");
        }
        let (mut acked, mut stall) = (0, Duration::ZERO);
        for (sender, follower) in self.senders.into_iter().zip(self.followers) {
            let sent = sender.await.expect("a sender that ended well");
            let heard = follower.await.expect("a follower that ended well");
            let stored = stored(&self.reader, &sent.room).await;
            assert_eq!(heard, stored, "the follower heard what is stored, each once");
            let mut by_text = BTreeMap::new();
            for (seq, text) in &stored {
                assert!(by_text.insert(text.clone(), *seq).is_none(), "{text:?} is stored twice");
            }
            for (text, seq) in &sent.acked {
                assert_eq!(by_text.get(text), Some(seq), "{text:?} was acked at {seq}");
            }
            let mut order: Vec<(u64, u64)> = by_text.iter().map(|(t, seq)| (t.parse().unwrap(), *seq)).collect();
            order.sort_unstable();
            assert!(order.is_sorted_by_key(|(_, seq)| *seq), "a sender's messages are in the sender's order");
            assert!(by_text.len() as u64 == sent.acked.len() as u64, "nothing that nobody sent or was told of");
            acked += sent.acked.len() as u64;
            stall = stall.max(sent.stall);
            assert!(sent.started.elapsed() >= sent.stall);
        }
        println!("{acked} acked; the longest wait for one was {stall:?}");
        Outcome { acked, stall }
    }
}

const LAST_WORD: &str = "that is all";

async fn send(alice: Client, room: String, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) -> Sent {
    let started = Instant::now();
    let mut sent = Sent { room, acked: BTreeMap::new(), stall: Duration::ZERO, started };
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let text = n.to_string();
        let from = Instant::now();
        let receipt = alice.send(&sent.room, text.clone()).await.expect("committed, if late");
        sent.stall = sent.stall.max(from.elapsed());
        assert!(sent.acked.insert(text, receipt.seq).is_none());
        count.fetch_add(1, Ordering::Relaxed);
        n += 1;
    }
    alice.send(&sent.room, LAST_WORD).await.expect("the last word");
    sent
}

/// seq and text of all messages of a room but the last word.
async fn stored(reader: &Client, room: &str) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let request = hansard_client::v1::ListHistoryRequest {
            room: room.to_owned(),
            after_seq: after,
            page_size: 1_000,
            ..Default::default()
        };
        let page: hansard_client::v1::ListHistoryResponse =
            reader.call("hansard.v1.MessageService/ListHistory", &request, None).await.expect("a page");
        for event in page.events {
            if event.kind == "message" && event.text != LAST_WORD {
                all.insert(event.seq, event.text);
            }
        }
        if page.to_seq >= page.head_seq {
            return all;
        }
        after = page.to_seq;
    }
}
