//! What the rings of all rooms may keep together. Beyond it the rooms that were quiet longest lose their oldest entries, which
//! their followers read from storage, should they still need them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hansard_domain::RoomId;

use super::ring::Ring;

/// Bytes of the entries that rings have taken and that are still there, JSON copies included.
#[derive(Debug, Default)]
pub(super) struct Kept(AtomicUsize);

impl Kept {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    kept: Arc<Kept>,
    order: Mutex<Order>,
}

/// Rooms by their last push; a ring knows its place.
#[derive(Debug, Default)]
struct Order {
    rooms: BTreeMap<u64, RoomId>,
    next: u64,
}

impl Budget {
    /// For rings that keep at most so many bytes together.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Arc::default(), order: Mutex::default() }
    }

    /// A ring whose entries are counted here.
    pub(super) fn ring(&self) -> Ring {
        Ring::counted_by(self.kept.clone())
    }

    /// What is kept, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.kept.0.load(Ordering::Relaxed)
    }

    /// By how many bytes too much is kept.
    pub(super) fn excess(&self) -> usize {
        self.bytes().saturating_sub(self.most)
    }

    /// A room's ring took entries.
    pub(super) fn pushed(&self, id: RoomId, ring: &mut Ring) {
        let mut order = self.order();
        if ring.place.is_some() && order.rooms.last_key_value().map(|(place, _)| *place) == ring.place {
            return;
        }
        if let Some(place) = ring.place {
            order.rooms.remove(&place);
        }
        order.next += 1;
        let place = order.next;
        order.rooms.insert(place, id);
        ring.place = Some(place);
    }

    /// The room that was quiet longest, and its place.
    pub(super) fn quietest(&self) -> Option<(u64, RoomId)> {
        self.order().rooms.first_key_value().map(|(place, id)| (*place, *id))
    }

    /// The ring at this place is gone or has nothing.
    pub(super) fn forget(&self, place: u64) {
        self.order().rooms.remove(&place);
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
