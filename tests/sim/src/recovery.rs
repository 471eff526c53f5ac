//! How soon after the heal the cluster is well again, as far as it needs no operator for that.

use std::{collections::BTreeMap, fmt, time::Duration};

use hansard_domain::{ShardId, meta::MetaView};
use hansard_storage::Store;

use crate::{
    evidence,
    history::{Inner as History, Outcome},
    keeper::Keeper,
    layout::CLIENTS,
};

/// What is promised.
const PROMISED: Duration = Duration::from_secs(30);
/// How long it may take an operator who looks every second to replace lost nodes.
const REPLACED: Duration = Duration::from_secs(120);

/// See the module. Times are since the heal.
#[derive(Debug)]
pub(crate) struct Recovery {
    healed: Duration,
    /// What the replicas must have that are not lost: the newest entry of their shard, when all of them were up again.
    wanted: Option<BTreeMap<(ShardId, u64), u64>>,
    /// When everybody had been told the outcome of something that was begun after the heal.
    served: Option<Duration>,
    /// When the replicas had it.
    caught_up: Option<Duration>,
    /// When lost nodes were replaced, which takes the operator.
    replaced: Option<Duration>,
}

impl Recovery {
    /// Everything is healed now.
    pub(crate) fn begin(healed: Duration) -> Self {
        Self { healed, wanted: None, served: None, caught_up: None, replaced: None }
    }

    /// Looks how far it is.
    pub(crate) fn look(&mut self, now: Duration, history: &History, keeper: &Keeper) {
        let since = now - self.healed;
        if self.served.is_none() && (0..CLIENTS).all(|client| is_served(history, client, self.healed)) {
            self.served = Some(since);
        }
        if self.caught_up.is_none() && self.have_caught_up(keeper) {
            self.caught_up = Some(since);
        }
        if self.replaced.is_none() && keeper.orders.borrow().content {
            self.replaced = Some(since);
        }
    }

    /// What took longer than is promised, or did not come.
    pub(crate) fn late(&self) -> Vec<String> {
        let promises = [
            ("everybody is answered", self.served, PROMISED),
            ("replicas have caught up", self.caught_up, PROMISED),
            ("lost nodes are replaced", self.replaced, REPLACED),
        ];
        let late = promises.into_iter().filter(|(_, took, promised)| took.is_none_or(|took| took > *promised));
        late.map(|(what, took, promised)| format!("{what} {took:?} after the heal, not {promised:?}")).collect()
    }

    fn have_caught_up(&mut self, keeper: &Keeper) -> bool {
        let stores = keeper.stores();
        let Some(view) = evidence::view(&stores) else { return false };
        let of = |node: u64| stores.iter().map(|(_, store)| store).find(|store| store.identity().node == node);
        let Some(wanted) = &self.wanted else {
            self.wanted = wanted(&view, &stores, keeper);
            return false;
        };
        let placed = |shard, node| view.place(shard).is_some_and(|place| place.voters.contains(&node));
        let mut there = wanted.iter().filter(|((shard, node), _)| placed(*shard, *node));
        there.all(|((shard, node), wanted)| of(*node).and_then(|store| applied(store, *shard)) >= Some(*wanted))
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Option<Duration>| time.map_or("never".to_owned(), |time| time.as_millis().to_string());
        let [served, caught_up, replaced] = [self.served, self.caught_up, self.replaced].map(ms);
        write!(f, "served_ms={served} caught_up_ms={caught_up} replaced_ms={replaced}")
    }
}

/// The replicas whose data is not lost, once all of them are up, and the newest entry that any of their shard has applied.
fn wanted(view: &MetaView, stores: &[(usize, Store)], keeper: &Keeper) -> Option<BTreeMap<(ShardId, u64), u64>> {
    let gone = &keeper.orders.borrow().gone;
    let mut wanted = BTreeMap::new();
    for place in view.places() {
        let newest = stores.iter().filter_map(|(_, store)| applied(store, place.shard)).max()?;
        for node in place.voters.iter().filter(|node| !gone.contains(node)) {
            stores.iter().find(|(_, store)| store.identity().node == *node)?;
            wanted.insert((place.shard, *node), newest);
        }
    }
    Some(wanted)
}

/// The newest entry that a replica has applied.
fn applied(store: &Store, shard: ShardId) -> Option<u64> {
    // One that is not there would be made.
    if !store.shards().contains(&shard) {
        return None;
    }
    Some(store.shard(shard).ok()?.rows().applied().map_or(0, |mark| mark.index))
}

/// Whether a client has all that it wants, or was told the outcome of something that it began after the heal.
fn is_served(history: &History, client: usize, healed: Duration) -> bool {
    let is_answer = |outcome: &Outcome| *outcome != Outcome::Unknown;
    let mut since = history.done.iter().filter(|done| done.client == client && done.begun >= healed);
    since.any(|done| done.ended.as_ref().is_some_and(|(_, outcome)| is_answer(outcome)))
        || history.clients_done.contains(&client)
}
