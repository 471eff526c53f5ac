//! A bounded memory of rows that were lately used. What it holds never changes what apply does, only how fast.

use std::collections::HashMap;
use std::hash::Hash;

/// At least the `capacity / 2` last used values, at most `capacity`: two generations, so that forgetting costs nothing.
pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity }
    }

    /// Takes a value out; whoever takes it puts it back.
    pub(crate) fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Looks a value up, which counts as use.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V>
    where
        K: Clone,
    {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.put(key.clone(), value);
        }
        self.young.get(key)
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_the_last_used_stay() {
        let mut cache = Cache::new(8);
        for n in 0..100 {
            cache.put(n, n);
            assert!(cache.young.len() + cache.old.len() <= 8);
            assert!(
                (n - 3..=n).filter(|n| *n >= 0).all(|n| cache.young.contains_key(&n) || cache.old.contains_key(&n))
            );
        }
        assert_eq!((cache.get(&99).copied(), cache.get(&1).copied()), (Some(99), None));
        assert_eq!(cache.take(&99), Some(99));
        assert_eq!(cache.take(&99), None);
    }
}
