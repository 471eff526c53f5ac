//! A room's seqs are 1, 2, 3, … on every replica.

use super::{History, Replica};

pub(super) fn check(_: &History, replicas: &[Replica]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (node, replica) in replicas.iter().enumerate() {
        for (room, entries) in &replica.rooms {
            let seqs = entries.iter().map(|entry| entry.seq);
            if !seqs.eq(1..=entries.len() as u64) {
                wrong.push(format!("the seqs of {room} on node{node} have holes or doubles"));
            }
        }
    }
    wrong
}
