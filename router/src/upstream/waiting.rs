//! Calls that wait for their answers on a link.

use hansard_domain::ShardId;
use tokio::time::Instant;

use super::asker::Asker;
use crate::limits::LINK_CALLS;

/// Bits of a call's id that are its place; the others count how often the place was taken.
const PLACE_BITS: u32 = LINK_CALLS.trailing_zeros();
const _: () = assert!(LINK_CALLS.is_power_of_two(), "places are the lowest bits of ids");

/// One call.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) shard: ShardId,
    pub(super) deadline: Instant,
    pub(super) asker: Asker,
}

/// See the module. At most [`LINK_CALLS`]; found by their place, without a search.
#[derive(Debug, Default)]
pub(super) struct Waitings {
    places: Vec<Place>,
    free: Vec<u32>,
    added: u64,
}

#[derive(Debug, Default)]
struct Place {
    turn: u32,
    /// With the number of those added before it.
    call: Option<(u64, Waiting)>,
}

impl Waitings {
    /// Adds a call and names it; `None` when there are too many.
    pub(super) fn add(&mut self, call: Waiting) -> Option<u64> {
        let at = match self.free.pop() {
            Some(at) => at,
            None if self.places.len() < LINK_CALLS => {
                self.places.push(Place::default());
                self.places.len() as u32 - 1
            }
            None => return None,
        };
        let place = &mut self.places[at as usize];
        place.turn = place.turn.wrapping_add(1);
        place.call = Some((self.added, call));
        self.added += 1;
        Some(u64::from(place.turn) << PLACE_BITS | u64::from(at))
    }

    /// Takes a call out, if it waits still.
    pub(super) fn remove(&mut self, id: u64) -> Option<Waiting> {
        let at = (id & (LINK_CALLS as u64 - 1)) as usize;
        let place = self.places.get_mut(at).filter(|place| u64::from(place.turn) == id >> PLACE_BITS)?;
        let (_, call) = place.call.take()?;
        self.free.push(at as u32);
        Some(call)
    }

    /// Takes out those that `which` says, in the order in which they were added.
    pub(super) fn extract(&mut self, which: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for (at, place) in (0..).zip(&mut self.places) {
            if let Some(call) = place.call.take_if(|(_, call)| which(call)) {
                taken.push(call);
                self.free.push(at);
            }
        }
        taken.sort_unstable_by_key(|(added, _)| *added);
        taken.into_iter().map(|(_, call)| call).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn waiting(shard: u8) -> Waiting {
        let shard = ShardId::from_bytes([shard; 16]);
        Waiting { shard, deadline: Instant::now(), asker: Asker::Call(oneshot::channel().0) }
    }

    #[test]
    fn a_name_is_not_used_again_and_there_is_a_bound() {
        let mut calls = Waitings::default();
        let first = calls.add(waiting(1)).unwrap();
        assert!(calls.remove(first).is_some() && calls.remove(first).is_none());
        let second = calls.add(waiting(1)).unwrap();
        assert_ne!(first, second);
        assert!(calls.remove(first).is_none(), "an answer that comes twice is nobody else's");
        for _ in 1..LINK_CALLS {
            assert!(calls.add(waiting(1)).is_some());
        }
        assert!(calls.add(waiting(1)).is_none());
        assert_eq!(calls.len(), LINK_CALLS);
        assert!(calls.remove(second).is_some() && calls.add(waiting(1)).is_some());
    }

    #[test]
    fn are_taken_in_the_order_in_which_they_were_added() {
        let mut calls = Waitings::default();
        let ids: Vec<u64> = (0..3).map(|_| calls.add(waiting(1)).unwrap()).collect();
        calls.remove(ids[0]);
        calls.remove(ids[1]);
        calls.add(waiting(2));
        calls.add(waiting(3));
        let shards = |taken: Vec<Waiting>| taken.iter().map(|call| call.shard.as_bytes()[0]).collect::<Vec<_>>();
        assert_eq!(shards(calls.extract(|call| call.shard != ShardId::from_bytes([2; 16]))), [1, 3]);
        assert_eq!(shards(calls.extract(|_| true)), [2]);
        assert_eq!(calls.len(), 0);
    }
}
