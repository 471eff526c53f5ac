//! A shard's voters are those that placement names, and no change of them stands half way: a majority of these voters decides.
//! A run waits for that before it ends, so where this is violated `liveness` is, too, and this says by whom.

use super::{Evidence, History};

pub(super) fn check(_: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shard, replicas) in &evidence.replicas {
        for replica in replicas {
            let (node, named, counted) = (replica.node, &evidence.voters[shard], &replica.head.voters);
            if counted != std::slice::from_ref(named) {
                wrong.push(format!(
                    "shard {shard}: node{node} counts the votes of {counted:?}, placement names {named:?}"
                ));
            }
        }
    }
    wrong
}
