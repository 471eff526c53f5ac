//! A follower is handed out 1, 2, 3, … to the room's end, over all its sessions; and each is what the record says.

use super::{History, Replica};
use crate::history::Seen;

pub(super) fn check(history: &History, replicas: &[Replica]) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((client, room), seen) in &history.seen {
        let Some(entries) = replicas.first().and_then(|replica| replica.rooms.get(room)) else {
            wrong.push(format!("client{client} saw {room}, which is not there"));
            continue;
        };
        let expected = entries.iter().map(|entry| Seen::Event(entry.seq, entry.text.clone()));
        let differs = seen.iter().cloned().map(Some).chain([None]).zip(expected.map(Some).chain([None]));
        if let Some((saw, is)) = differs.into_iter().find(|(saw, is)| saw != is) {
            wrong.push(format!("client{client} saw {saw:?} in {room} where the record has {is:?}"));
        } else if seen.len() != entries.len() {
            wrong.push(format!("client{client} saw {} of {} entries of {room}", seen.len(), entries.len()));
        }
    }
    wrong
}
