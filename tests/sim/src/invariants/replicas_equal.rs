//! All replicas of a shard hold the same record, by its root, and the same rows, all of them.

use super::{Evidence, History};

pub(super) fn check(_: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shard, replicas) in &evidence.replicas {
        let Some(first) = replicas.first() else { continue };
        for other in &replicas[1..] {
            if other.head != first.head {
                let (a, b) = (&first.head, &other.head);
                wrong.push(format!("shard {shard}: node{} has {a:?}, node{} has {b:?}", first.node, other.node));
            } else if other.rows != first.rows {
                let (a, b) = (first.node, other.node);
                wrong.push(format!("shard {shard}: node{a} and node{b} have equal roots over different rows"));
            }
        }
    }
    wrong
}
