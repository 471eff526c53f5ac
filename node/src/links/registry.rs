//! Who is linked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hansard_proto::cluster::v1::{LinkHello, Signal};

use super::{Outbox, signals::Presences};
use crate::{fanout::LinkFeed, lock::Mutex};

/// Routers that may be linked at once: each costs bounded queues, and a cluster has tens.
pub(crate) const MAX_LINKS: usize = 256;

/// One router's link.
pub(crate) struct Link {
    /// Unique in this process.
    pub(crate) id: u64,
    /// The router's name.
    pub(crate) router: String,
    /// Where clients reach the router; empty if it did not say.
    pub(crate) client_address: String,
    /// What waits to be sent.
    pub(crate) outbox: Arc<Outbox>,
    /// The rooms that it is fed.
    pub(crate) feed: Arc<LinkFeed>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Links {
    last: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    links: BTreeMap<u64, Arc<Link>>,
    presences: Presences,
}

impl Links {
    /// Takes a link in, and tells it who is present. `None`: there are too many.
    pub(crate) fn open(&self, hello: &LinkHello, outbox: Arc<Outbox>) -> Option<Arc<Link>> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let link = Arc::new(Link {
            id,
            router: hello.router.clone(),
            client_address: hello.client_address.clone(),
            outbox: outbox.clone(),
            feed: LinkFeed::new(id, outbox),
        });
        let mut state = self.state.lock();
        if state.links.len() >= MAX_LINKS {
            return None;
        }
        for signal in state.presences.all() {
            link.outbox.signal(signal);
        }
        state.links.insert(id, link.clone());
        Some(link)
    }

    /// Forgets a link; those whose presence it told are offline to the others.
    pub(crate) fn close(&self, link: &Link) {
        let mut state = self.state.lock();
        state.links.remove(&link.id);
        for signal in state.presences.drop_link(link.id) {
            for other in state.links.values() {
                other.outbox.signal(signal.clone());
            }
        }
    }

    /// Relays typing to the links that follow the room, presence and read marks to all: the person's sessions may be anywhere.
    /// Never back to where it came from.
    pub(crate) fn signal(&self, from: &Link, signal: Signal) {
        let Some(room) = super::signals::check(&signal) else { return };
        let mut state = self.state.lock();
        if room.is_none() && !state.presences.note(from.id, &signal) {
            return;
        }
        for other in state.links.values().filter(|other| other.id != from.id) {
            if signal.read_seq > 0 || room.is_none_or(|room| other.feed.follows(&room)) {
                other.outbox.signal(signal.clone());
            }
        }
    }

    /// All links, for news that concern everybody.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.state.lock().links.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().links.len()
    }

    /// Where clients reach the routers, for alternates.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let state = self.state.lock();
        let said = state.links.values().filter(|link| !link.client_address.is_empty());
        said.map(|link| link.client_address.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}
