//! The entries of a record are as many as its tree has leaves, and give its root.

use super::{Evidence, History};

pub(super) fn check(_: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shard, record) in &evidence.records {
        let Some(replica) = evidence.replicas.get(shard).and_then(|replicas| replicas.first()) else { continue };
        if (record.times.len() as u64, record.root) != (replica.head.size, replica.head.root) {
            let entries = record.times.len();
            wrong.push(format!("{entries} entries of shard {shard} do not give the tree of {}", replica.head.size));
        }
    }
    wrong
}
