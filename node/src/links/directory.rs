//! What routers must know, told to every link: first all of it, then what changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hansard_domain::{ShardId, meta::MetaView};
use hansard_proto::{
    cluster::v1::{Directory, Leader, LinkHello},
    convert::bytes,
};
use tokio::{sync::Notify, time::Instant};

use super::{Link, Links, Outbox, news};
use crate::{lock::Mutex, state::Node};

/// Leaders change in bursts, when a node dies or moves: told together. Calls wait for the news, so not for long.
const COALESCE: Duration = Duration::from_millis(10);

/// How often the leader of meta says that the directory is fresh. Routers admit nobody after 10 s without.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long the quorum may take to confirm that. With a heartbeat it stays below the second that `fresh` promises.
const CONFIRM: Duration = Duration::from_millis(450);

/// See the module.
pub(crate) struct DirectoryHub {
    links: Arc<Links>,
    state: Mutex<State>,
    led: Notify,
}

#[derive(Default)]
struct State {
    view: Option<Arc<MetaView>>,
    leaders: BTreeMap<ShardId, (u64, u64)>,
}

impl DirectoryHub {
    /// Nothing is known yet.
    pub(crate) fn new(links: Arc<Links>) -> Self {
        Self { links, state: Mutex::default(), led: Notify::new() }
    }

    /// Takes a link in and tells it everything. Under one lock with what changes, so that it misses nothing.
    pub(crate) fn open(&self, hello: &LinkHello, outbox: Arc<Outbox>) -> Option<Arc<Link>> {
        let state = self.state.lock();
        let link = self.links.open(hello, outbox)?;
        link.outbox.directory(Directory {
            leaders: wire_leaders(&state.leaders),
            ..state.view.as_deref().map(news::all).unwrap_or_default()
        });
        self.tell(&Directory { routers: self.links.addresses(), ..Directory::default() });
        Some(link)
    }

    /// Forgets a link.
    pub(crate) fn close(&self, link: &Link) {
        let _state = self.state.lock();
        self.links.close(link);
        self.tell(&Directory { routers: self.links.addresses(), ..Directory::default() });
    }

    /// Who leads a shard, as this node sees it.
    pub(crate) fn lead(&self, shard: ShardId, term: u64, leader: Option<u64>) {
        let mut state = self.state.lock();
        let before = state.leaders.get(&shard).copied();
        let now = match leader {
            Some(leader) if before.is_none_or(|(known, _)| term >= known) => Some((term, leader)),
            Some(_) => before,
            None => None,
        };
        if now == before {
            return;
        }
        match now {
            Some(now) => state.leaders.insert(shard, now),
            None => state.leaders.remove(&shard),
        };
        drop(state);
        self.led.notify_one();
    }

    /// Who leads a shard, as far as this node knows.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<(u64, u64)> {
        self.state.lock().leaders.get(&shard).copied()
    }

    /// Who leads the shards that this node has replicas of, with the terms.
    pub(crate) fn leaders(&self) -> BTreeMap<ShardId, (u64, u64)> {
        self.state.lock().leaders.clone()
    }

    /// Meta's state has changed: what is new in it goes out at once.
    fn applied(&self, view: Arc<MetaView>) {
        let mut state = self.state.lock();
        let before = state.view.replace(view.clone());
        if let Some(news) = news::since(before.as_deref(), &view) {
            self.tell(&news);
        }
    }

    fn tell_leaders(&self) {
        let state = self.state.lock();
        self.tell(&Directory { leaders: wire_leaders(&state.leaders), ..Directory::default() });
    }

    fn tell_fresh(&self, view: Arc<MetaView>) {
        let revision = view.revision;
        // First what the quorum confirmed, then that it did.
        self.applied(view);
        self.tell(&Directory { revision, fresh: true, ..Directory::default() });
    }

    fn tell(&self, news: &Directory) {
        for link in self.links.all() {
            link.outbox.directory(news.clone());
        }
    }
}

fn wire_leaders(leaders: &BTreeMap<ShardId, (u64, u64)>) -> Vec<Leader> {
    let wire =
        |(shard, (term, node)): (&ShardId, &(u64, u64))| Leader { shard: bytes(*shard), term: *term, node: *node };
    leaders.iter().map(wire).collect()
}

/// Tells leaders, a burst at a time. Runs until it is aborted.
pub(crate) async fn tell_leaders(node: Arc<Node>) {
    loop {
        node.directory.led.notified().await;
        tokio::time::sleep(COALESCE).await;
        node.directory.tell_leaders();
    }
}

/// Tells what meta applies, and that it is fresh while this node leads meta. Runs until it is aborted.
pub(crate) async fn tell_meta(node: Arc<Node>) {
    let mut hosted = node.host.changed();
    let meta = loop {
        if let Some(meta) = node.host.meta() {
            break meta;
        }
        if hosted.changed().await.is_err() {
            return;
        }
    };
    let mut view = meta.view();
    let mut next = Instant::now();
    loop {
        let now = view.borrow_and_update().clone();
        node.directory.applied(now);
        tokio::select! {
            changed = view.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep_until(next) => {
                next = Instant::now() + HEARTBEAT;
                if meta.leadership().borrow().serving && !node.draining.load(Ordering::SeqCst) {
                    tokio::spawn(confirm(node.clone(), meta.clone()));
                }
            }
        }
    }
}

async fn confirm(node: Arc<Node>, meta: crate::shard::MetaShard) {
    if let Ok(Ok(())) = tokio::time::timeout(CONFIRM, meta.read_index()).await {
        let view = meta.view().borrow().clone();
        node.directory.tell_fresh(view);
    }
}
