//! Opens and closes replicas as meta's placement says, and follows who leads them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use hansard_domain::{
    ShardId,
    meta::{MetaView, ShardPlace},
};
use hansard_failpoint::{self as failpoint, Point};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{info_of, shards};
use crate::{lock::Mutex, shard::Replica, state::Node};

/// A replica that placement does not know is kept for so long after it was asked for: its move may still be under way.
const GRACE: Duration = Duration::from_secs(60);

/// How often placement is compared with what is open, besides whenever either changes.
const ROUND: Duration = Duration::from_secs(2);

/// When a replica was last asked for by somebody who is moving it here.
pub(crate) struct Hosting {
    started: Instant,
    asked: Mutex<HashMap<ShardId, Instant>>,
}

impl Hosting {
    /// Nothing was asked for yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), asked: Mutex::default() }
    }

    /// Somebody wants this replica here.
    pub(crate) fn ask(&self, shard: ShardId) {
        self.asked.lock().insert(shard, Instant::now());
    }

    fn may_remove(&self, shard: ShardId) -> bool {
        let asked = self.asked.lock().get(&shard).copied().unwrap_or(self.started);
        asked.elapsed() > GRACE
    }
}

/// Runs until it is aborted.
pub(crate) async fn host_shards(node: Arc<Node>) {
    let mut watchers: HashMap<ShardId, JoinHandle<()>> = HashMap::new();
    let mut hosted = node.host.changed();
    let mut views: Option<watch::Receiver<Arc<MetaView>>> = None;
    loop {
        if views.is_none() {
            views = node.host.meta().map(|meta| meta.view());
        }
        let view = views.as_mut().map(|views| views.borrow_and_update().clone());
        if let Some(view) = view {
            reconcile(&node, &view).await;
        }
        watch_leaders(&node, &mut watchers);
        let changed = async {
            match &mut views {
                Some(views) => views.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            alive = changed => if !alive {
                // The replica of meta has stopped. It may be opened again; there is nothing to hear of before.
                views = None;
                tokio::time::sleep(ROUND).await;
            },
            _ = hosted.changed() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn reconcile(node: &Arc<Node>, view: &MetaView) {
    for row in view.nodes.values() {
        node.peers.update(info_of(row));
    }
    for place in &view.shards {
        let shard = place.shard;
        if !place.voters.contains(&node.local.id) {
            continue;
        }
        match node.host.start(shard).await {
            Ok(replica) => found_group(node, view, place, &replica).await,
            Err(error) => tracing::error!(%shard, %error, "a replica cannot be opened"),
        }
    }
    let open: BTreeSet<ShardId> = node.host.shards().into_iter().filter(|shard| *shard != ShardId::META).collect();
    for shard in open {
        let placed = view.place(shard).is_some_and(|place| place.voters.contains(&node.local.id));
        if !placed && view.cluster.is_some() && node.hosting.may_remove(shard) {
            remove(node, view, shard).await;
        }
    }
}

/// The first voter of a shard that was never moved begins its group. Nobody else does, and nobody does later: from the
/// second epoch on the group has a membership of its own that replicates.
async fn found_group(node: &Arc<Node>, view: &MetaView, place: &ShardPlace, replica: &Replica) {
    let shard = place.shard;
    if place.epoch != super::FIRST_EPOCH
        || place.voters.first() != Some(&node.local.id)
        || !replica.status().voters.is_empty()
    {
        return;
    }
    let voters = place.voters.iter().filter_map(|id| view.nodes.get(id).map(info_of)).collect();
    match replica.initialize(voters).await {
        Ok(()) => {
            failpoint::pass(Point::ShardBegan);
            tracing::info!(%shard, "began a shard");
        }
        Err(error) => tracing::warn!(%shard, %error, "a shard cannot be begun yet"),
    }
}

/// Whoever votes counts on its replica, whatever the placement says: so the shard is asked.
async fn remove(node: &Arc<Node>, view: &MetaView, shard: ShardId) {
    match shards::is_member(node, view, shard, node.local.id).await {
        Ok(false) if node.hosting.may_remove(shard) => {}
        Ok(_) => return,
        Err(why) => {
            return tracing::debug!(%shard, why, "a replica that is placed elsewhere stays until its shard can be asked");
        }
    }
    match node.host.remove(shard).await {
        Ok(()) => tracing::info!(%shard, "removed a replica that has moved away"),
        Err(error) => tracing::warn!(%shard, %error, "a replica that has moved away cannot be removed yet"),
    }
    node.fanout.forget(shard);
    node.hosting.asked.lock().remove(&shard);
}

fn watch_leaders(node: &Arc<Node>, watchers: &mut HashMap<ShardId, JoinHandle<()>>) {
    watchers.retain(|_, watcher| !watcher.is_finished());
    for shard in node.host.shards() {
        if let Some(replica) = node.host.replica(shard) {
            watchers.entry(shard).or_insert_with(|| tokio::spawn(watch(node.clone(), replica)));
        }
    }
}

/// Follows one replica's leader until the replica stops.
async fn watch(node: Arc<Node>, replica: Replica) {
    let shard = replica.id();
    let mut leadership = replica.leadership();
    let mut term = leadership.borrow().term;
    loop {
        let now = *leadership.borrow_and_update();
        node.metrics.terms_begun(now.term.saturating_sub(term));
        term = now.term;
        tracing::debug!(%shard, term = now.term, leader = now.leader, serving = now.serving, "leadership");
        node.fanout.set_serving(shard, now.serving, now.leader);
        node.directory.lead(shard, now.term, now.leader);
        if leadership.changed().await.is_err() {
            break;
        }
    }
    node.fanout.set_serving(shard, false, None);
}
