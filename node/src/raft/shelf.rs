//! The snapshot of a shard that is being sent, or whose sending was interrupted and may go on.
//!
//! All followers that need one while it is of use are sent the same. After an interruption it is kept for a while, so that the
//! next attempt goes on where this one stopped; and as long as it is here, and until who took it has the log that follows it, that log
//! is not purged, or the snapshot would be of no use when it has come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use hansard_storage::{ShardStore, SnapshotError, SnapshotSource};
use tokio::sync::watch;

/// One shard's snapshot, if there is one. It goes with the shard's state machine, whoever still waits for what.
pub(super) struct Shelf {
    /// The newest; somebody who sends it holds it, or `kept`.
    current: Mutex<Weak<Outgoing>>,
    kept: Mutex<Kept>,
    held: watch::Sender<usize>,
}

/// One that was interrupted, and how many times one was: a timer clears only what it was set for.
#[derive(Default)]
struct Kept {
    outgoing: Option<Arc<Outgoing>>,
    interruptions: u64,
}

/// A snapshot that is sent, or could be.
pub struct Outgoing {
    pub(super) source: Arc<SnapshotSource>,
    shelf: Weak<Shelf>,
    /// From the first node on that takes it.
    hold: OnceLock<Arc<Hold>>,
}

/// The log that follows a snapshot is kept as long as somebody has this.
pub(super) struct Hold(Weak<Shelf>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(shelf) = self.0.upgrade() {
            shelf.held.send_modify(|held| *held -= 1);
        }
    }
}

/// The nodes that have taken a snapshot of a shard, and not yet the log that follows it.
#[derive(Default)]
pub(super) struct Delivered(Mutex<HashMap<u64, Arc<Hold>>>);

impl Delivered {
    /// A node has taken one, and has so long to take the log, too.
    pub(super) fn to(self: &Arc<Self>, node: u64, outgoing: &Outgoing, keep: Duration) {
        let hold = outgoing.hold();
        let (delivered, this) = (Arc::downgrade(self), Arc::downgrade(&hold));
        tokio::spawn(async move {
            tokio::time::sleep(keep).await;
            if let Some(delivered) = delivered.upgrade() {
                delivered.forget(node, |hold| Weak::as_ptr(&this) == Arc::as_ptr(hold));
            }
        });
        let before = lock(&self.0).insert(node, hold);
        drop(before);
    }

    /// A node has the log.
    pub(super) fn caught_up(&self, node: u64) {
        self.forget(node, |_| true);
    }

    fn forget(&self, node: u64, which: impl Fn(&Arc<Hold>) -> bool) {
        let mut all = lock(&self.0);
        let gone = if all.get(&node).is_some_and(which) { all.remove(&node) } else { None };
        drop(all);
        drop(gone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    pub(super) fn new() -> Arc<Shelf> {
        Arc::new(Shelf { current: Mutex::default(), kept: Mutex::default(), held: watch::Sender::new(0) })
    }

    /// The snapshot that is here, if the log still goes on from it; else one of the rows as they are now.
    pub(super) fn current(self: &Arc<Self>, store: &ShardStore) -> Result<Arc<Outgoing>, SnapshotError> {
        let mut current = lock(&self.current);
        let purged = store.log().bounds().purged.map(|(_, index)| index);
        if let Some(outgoing) = current.upgrade().filter(|outgoing| Some(outgoing.source.mark().index) >= purged) {
            return Ok(outgoing);
        }
        let source = store.snapshot()?.source().clone();
        let outgoing = Arc::new(Outgoing { source, shelf: Arc::downgrade(self), hold: OnceLock::new() });
        *current = Arc::downgrade(&outgoing);
        Ok(outgoing)
    }

    /// For how many snapshots the log is held; ends with the shard's state machine.
    pub(super) fn held(&self) -> watch::Receiver<usize> {
        self.held.subscribe()
    }
}

impl Outgoing {
    /// Somebody takes it: the log that follows it is kept from now on. Not before: nodes that are away are tried again and again.
    pub(super) fn hold(&self) -> Arc<Hold> {
        let hold = || {
            if let Some(shelf) = self.shelf.upgrade() {
                shelf.held.send_modify(|held| *held += 1);
            }
            Arc::new(Hold(self.shelf.clone()))
        };
        self.hold.get_or_init(hold).clone()
    }

    /// It was sent: nobody needs it any more.
    pub(super) fn sent(self: &Arc<Self>) {
        let Some(shelf) = self.shelf.upgrade() else { return };
        let mut kept = lock(&shelf.kept);
        if kept.outgoing.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, self)) {
            let gone = kept.outgoing.take();
            drop(kept);
            drop(gone);
        }
    }

    /// Its sending, which somebody had begun to take, was interrupted: it is kept for a while.
    pub(super) fn interrupted(self: Arc<Self>, keep: Duration) {
        let Some(shelf) = self.shelf.upgrade() else { return };
        let before = {
            let mut kept = lock(&shelf.kept);
            kept.interruptions += 1;
            let (weak, interruption) = (Arc::downgrade(&shelf), kept.interruptions);
            tokio::spawn(async move {
                tokio::time::sleep(keep).await;
                if let Some(shelf) = weak.upgrade() {
                    let mut kept = lock(&shelf.kept);
                    let gone = if kept.interruptions == interruption { kept.outgoing.take() } else { None };
                    drop(kept);
                    drop(gone);
                }
            });
            kept.outgoing.replace(self)
        };
        drop(before);
    }
}
