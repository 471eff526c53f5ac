//! A room's seqs are 1, 2, 3, …

use super::{Evidence, History};

pub(super) fn check(_: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (room, held) in &evidence.rooms {
        if !held.entries.iter().map(|entry| entry.seq).eq(1..=held.entries.len() as u64) {
            wrong.push(format!("the seqs of {room} have holes or doubles"));
        }
    }
    wrong
}
