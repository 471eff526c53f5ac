//! A bounded memory of rows that were lately used. What it holds never changes what apply does, only how fast.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Where a value is, until the next [`Cache::trim`].
pub(crate) type Place = u32;

/// Values, each at a place of its own. It grows as it is told to keep values; [`Cache::trim`] brings it back to its bound.
pub(crate) struct Cache<K, V> {
    places: HashMap<K, Place, Keyed>,
    kept: Vec<Kept<K, V>>,
    capacity: usize,
    /// Counts the uses.
    now: u64,
    /// What was found last: most keys are asked for several times in a row.
    last: Option<(K, Place)>,
}

struct Kept<K, V> {
    key: K,
    value: V,
    /// When it was last used.
    used: u64,
}

impl<K: Hash + Eq + Copy, V> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { places: HashMap::default(), kept: Vec::new(), capacity, now: 0, last: None }
    }

    /// Looks a value up, which counts as use.
    pub(crate) fn find(&mut self, key: &K) -> Option<Place> {
        if let Some((last, place)) = &self.last
            && last == key
        {
            return Some(*place);
        }
        let place = *self.places.get(key)?;
        self.last = Some((*key, place));
        self.now += 1;
        self.kept[place as usize].used = self.now;
        Some(place)
    }

    /// Looks a value up that was found or put since the last trim.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        let place = match &self.last {
            Some((last, place)) if last == key => *place,
            _ => *self.places.get(key)?,
        };
        Some(self.at(place))
    }

    pub(crate) fn at(&self, place: Place) -> &V {
        &self.kept[place as usize].value
    }

    pub(crate) fn at_mut(&mut self, place: Place) -> &mut V {
        &mut self.kept[place as usize].value
    }

    pub(crate) fn entry_mut(&mut self, place: Place) -> (&K, &mut V) {
        let Kept { key, value, .. } = &mut self.kept[place as usize];
        (key, value)
    }

    /// Keeps a value whose key is new.
    pub(crate) fn put(&mut self, key: K, value: V) -> Place {
        let place = Place::try_from(self.kept.len()).expect("trimmed long before");
        self.now += 1;
        self.kept.push(Kept { key, value, used: self.now });
        let before = self.places.insert(key, place);
        assert!(before.is_none(), "a key has one place");
        self.last = Some((key, place));
        place
    }

    /// Forgets values where there are more than its capacity: the half of the capacity that was used last stays.
    pub(crate) fn trim(&mut self) {
        if self.kept.len() <= self.capacity {
            return;
        }
        let mut uses: Vec<u64> = self.kept.iter().map(|kept| kept.used).collect();
        let gone = self.kept.len() - self.capacity / 2;
        let last_gone = *uses.select_nth_unstable(gone - 1).1;
        self.kept.retain(|kept| kept.used > last_gone);
        self.places.clear();
        self.places.extend(self.kept.iter().zip(0..).map(|(kept, place)| (kept.key, place)));
        self.last = None;
    }
}

/// Hashes keys made of ids: a multiplication for 16 bytes. Ids are drawn or are hashes, but a client can grind for rooms that share
/// bits; so each map has a key that nobody knows.
#[derive(Clone)]
struct Keyed([u64; 2]);

impl Default for Keyed {
    fn default() -> Self {
        let dice = RandomState::new();
        Self([dice.hash_one(0), dice.hash_one(1)])
    }
}

impl BuildHasher for Keyed {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.0[0], key: self.0[1] }
    }
}

struct IdHasher {
    state: u64,
    key: u64,
}

impl IdHasher {
    #[inline]
    fn mix(&mut self, low: u64, high: u64) {
        let product = u128::from(low ^ self.state) * u128::from(high ^ self.key);
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for IdHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (whole, rest) = bytes.as_chunks::<16>();
        for id in whole {
            let id = u128::from_le_bytes(*id);
            self.mix(id as u64, (id >> 64) as u64);
        }
        for byte in rest {
            self.mix(u64::from(*byte), 0);
        }
    }

    /// The lengths of arrays, which all keys of a map have in common.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_the_last_used_stay() {
        let mut cache = Cache::new(8);
        for n in 0..100u8 {
            cache.put([n; 16], n);
            assert!(cache.find(&[0; 16]).is_some(), "it is used all the time");
            cache.trim();
            assert!(cache.kept.len() <= 8 && cache.places.len() == cache.kept.len());
            for recent in n.saturating_sub(2)..=n {
                assert_eq!(cache.peek(&[recent; 16]), Some(&recent));
                let place = cache.find(&[recent; 16]).unwrap();
                assert_eq!((*cache.at(place), *cache.at_mut(place)), (recent, recent));
            }
        }
        assert_eq!(cache.find(&[1; 16]), None);
    }

    #[test]
    fn nothing_is_kept_beyond_a_trim_where_nothing_may_be() {
        let mut cache = Cache::new(0);
        cache.put([1; 16], 1);
        assert!(cache.find(&[1; 16]).is_some());
        cache.trim();
        assert!(cache.find(&[1; 16]).is_none());
    }

    #[test]
    fn hashes_depend_on_every_byte_and_on_the_key() {
        let (one, other) = (Keyed::default(), Keyed::default());
        let id = [0x5a_u8; 32];
        let hash = one.hash_one(id);
        assert_ne!(hash, other.hash_one(id));
        for at in 0..32 {
            let mut changed = id;
            changed[at] ^= 1;
            assert_ne!(hash, one.hash_one(changed), "{at}");
        }
    }
}
