//! Who was resolved lately, so that a reconnect storm does not fall on the meta group.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hansard_domain::PersonId;

use crate::limits::PEOPLE_CACHE;

/// A person as last told by meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) person: PersonId,
    pub(super) epoch: u64,
    pub(super) not_before_s: i64,
}

type Generation = HashMap<(Arc<str>, String), Known>;

/// At most [`PEOPLE_CACHE`] people: two generations of half as many; those who are asked for move to the younger one.
#[derive(Debug, Default)]
pub(super) struct People(Mutex<(Generation, Generation)>);

impl People {
    pub(super) fn get(&self, issuer: &Arc<str>, subject: &str) -> Option<Known> {
        let key = (issuer.clone(), subject.to_owned());
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.0.get(&key) {
            return Some(*known);
        }
        let known = generations.1.remove(&key)?;
        put(&mut generations, key, known);
        Some(known)
    }

    pub(super) fn put(&self, issuer: Arc<str>, subject: String, known: Known) {
        put(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), (issuer, subject), known);
    }
}

fn put(generations: &mut (Generation, Generation), key: (Arc<str>, String), known: Known) {
    if generations.0.len() >= PEOPLE_CACHE / 2 {
        generations.1 = std::mem::take(&mut generations.0);
    }
    generations.0.insert(key, known);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_keeps_those_who_are_asked_for() {
        let (people, issuer): (People, Arc<str>) = (People::default(), "i".into());
        let known = Known { person: PersonId::from_bytes([1; 16]), epoch: 1, not_before_s: 0 };
        people.put(issuer.clone(), "alice".into(), known);
        for number in 0..PEOPLE_CACHE {
            people.put(issuer.clone(), number.to_string(), known);
            if number % 1_000 == 0 {
                assert_eq!(people.get(&issuer, "alice"), Some(known), "{number}");
            }
        }
        assert_eq!(people.get(&issuer, "0"), None);
        let generations = people.0.lock().unwrap();
        assert!(generations.0.len() + generations.1.len() <= PEOPLE_CACHE);
    }
}
