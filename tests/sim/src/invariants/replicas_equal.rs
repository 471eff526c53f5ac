//! All replicas hold the same records, by their roots, and the same rooms.

use super::{History, Replica};

pub(super) fn check(_: &History, replicas: &[Replica]) -> Vec<String> {
    let Some(first) = replicas.first() else { return vec!["there is no replica".to_owned()] };
    let mut wrong = Vec::new();
    for (node, replica) in replicas.iter().enumerate().skip(1) {
        if replica.heads != first.heads {
            wrong.push(format!("node0 has {:?}, node{node} has {:?}", first.heads, replica.heads));
        } else if replica != first {
            wrong.push(format!("node0 and node{node} have equal roots over different rooms"));
        }
    }
    wrong
}
