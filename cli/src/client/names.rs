//! The names behind person ids, asked for in batches and kept.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::Result;
use hansard_client::{Client, v1::Event};
use hansard_domain::Refusal;

use crate::exit::Failure;

/// How long output waits for names; without them ids are shown.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many names are kept.
const MOST: usize = 100_000;
/// How many ids one call may ask for.
const BATCH: usize = 1_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Names {
    known: HashMap<String, String>,
}

impl Names {
    /// Learns the names of all people whom these events speak of.
    pub(crate) async fn learn_events(&mut self, client: &Client, events: &[Event]) {
        let people = events.iter().flat_map(|event| [&event.sender, &event.person]);
        self.learn(client, people.map(String::as_str)).await;
    }

    /// Learns these people's names. A failure is no reason to show nothing; it is tried again with the next batch.
    pub(crate) async fn learn(&mut self, client: &Client, ids: impl Iterator<Item = &str>) {
        let new: HashSet<_> = ids.filter(|id| !id.is_empty() && !self.known.contains_key(*id)).collect();
        let new: Vec<String> = new.into_iter().map(str::to_owned).collect();
        if self.known.len() + new.len() > MOST {
            self.known.clear();
        }
        for batch in new.chunks(BATCH) {
            if let Ok(Ok(people)) = tokio::time::timeout(PATIENCE, client.get_people(batch)).await {
                self.known.extend(people.into_iter().map(|person| (person.id, person.subject)));
            }
        }
    }

    /// A person's name, if it is known.
    pub(crate) fn get(&self, id: &str) -> Option<&str> {
        self.known.get(id).map(String::as_str)
    }

    /// A person's name, or what can be shown in its place.
    pub(crate) fn show<'a>(&'a self, id: &'a str) -> &'a str {
        match self.get(id) {
            Some(name) => name,
            None if id.is_empty() => "(system)",
            None => id.get(..8).unwrap_or(id),
        }
    }
}

/// The id of a person who is given by id or by subject. Nobody gets an id by being misspelt.
pub(crate) async fn person_id(client: &Client, person: &str) -> Result<String> {
    if is_id(person) {
        return Ok(person.to_ascii_lowercase());
    }
    match client.find_person(person).await {
        Ok(found) => Ok(found.id),
        Err(error) if error.reason() == Some(Refusal::PersonUnknown.reason()) => {
            Err(Failure::not_found(format!("nobody is called {person:?}; see `hansard people`")).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for somebody who may come later: a subject that nobody has had yet gets an id.
pub(crate) async fn new_person_id(client: &Client, person: &str) -> Result<String> {
    if is_id(person) {
        return Ok(person.to_ascii_lowercase());
    }
    Ok(client.resolve_person(person).await?.id)
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ids_from_subjects() {
        assert!(is_id("0123456789abcdef0123456789ABCDEF"));
        assert!(!is_id("alice") && !is_id("0123456789abcdef0123456789abcdeg"));
    }

    #[test]
    fn shows_something_for_everybody() {
        let mut names = Names::default();
        names.known.insert("a".repeat(32), "alice".into());
        assert_eq!(names.show(&"a".repeat(32)), "alice");
        assert_eq!(names.show("0123456789abcdef0123456789abcdef"), "01234567");
        assert_eq!(names.show(""), "(system)");
    }
}
