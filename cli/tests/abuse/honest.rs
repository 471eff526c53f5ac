//! People who do nothing wrong: one speaks all the time, one listens to each word.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hansard_proto::v1::{Role, Visibility};
use tokio::{sync::Notify, task::JoinHandle};

use crate::harness::{Cluster, Over, PATIENCE, Person};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(10);

/// See the module.
pub(crate) struct Honest {
    shared: Arc<Shared>,
    room: String,
    /// Gives the seq of the last message.
    speaker: JoinHandle<u64>,
    listener: Person,
}

#[derive(Default)]
struct Shared {
    waits: Mutex<Vec<Duration>>,
    acked: Notify,
    stop: AtomicBool,
}

/// How the honest fared for a while.
pub(crate) struct Window {
    pub(crate) acks: usize,
    pub(crate) p99: Duration,
    pub(crate) worst: Duration,
}

impl Honest {
    /// Alice and Bob in a private room, at the router that will be abused.
    pub(crate) async fn start(cluster: &Cluster) -> Honest {
        let mut alice = Person::connect(cluster, Over::Grpc, 0, "alice").await;
        let mut listener = Person::connect(cluster, Over::WebSocketJson, 0, "bob").await;
        let room = alice.create_room("honest", Visibility::Private).await.id;
        alice.invite(&room, &listener.id, Role::Member).await;
        listener.follow(&room, 1).await;
        let shared = Arc::new(Shared::default());
        let speaker = tokio::spawn(speak(alice, room.clone(), shared.clone()));
        Honest { shared, room, speaker, listener }
    }

    /// Their room.
    pub(crate) fn room(&self) -> String {
        self.room.clone()
    }

    /// Acks since the last window.
    pub(crate) fn acks(&self) -> usize {
        self.shared.waits.lock().unwrap().len()
    }

    /// Waits for so many acks since the last window.
    pub(crate) async fn served(&self, acks: usize) {
        while self.acks() < acks {
            tokio::time::timeout(PATIENCE, self.shared.acked.notified()).await.expect("an ack within a minute");
        }
    }

    /// Waits for so many acks from now on.
    pub(crate) async fn served_again(&self, acks: usize) {
        self.served(self.acks() + acks).await;
    }

    /// How it went since the last window.
    pub(crate) fn window(&self) -> Window {
        let mut waits = std::mem::take(&mut *self.shared.waits.lock().unwrap());
        waits.sort_unstable();
        let worst = waits.last().copied().unwrap_or_default();
        let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or(worst);
        Window { acks: waits.len(), p99, worst }
    }

    /// Ends the talk, and checks that the listener has heard each message once, in order. Says how many there were.
    pub(crate) async fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        let last = self.speaker.await.expect("the speaker was served to the end");
        // 1 is the room, which was there before the listener; 2 the invitation.
        self.listener.events(&self.room, 2, last).await;
        last - 2
    }
}

async fn speak(mut alice: Person, room: String, shared: Arc<Shared>) -> u64 {
    let mut last = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        last = alice.say(&room, "honest words").await.seq;
        shared.waits.lock().unwrap().push(start.elapsed());
        shared.acked.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
    last
}
