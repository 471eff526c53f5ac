//! In the order of a shard's record, time strictly increases, whatever the nodes' clocks say.

use super::{History, Replica};

pub(super) fn check(_: &History, replicas: &[Replica]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (node, replica) in replicas.iter().enumerate() {
        let pairs = replica.times.iter().zip(replica.times.iter().skip(1));
        for (((shard, index), time), ((next_shard, next), later)) in pairs {
            if shard == next_shard && later <= time {
                wrong.push(format!("shard {shard} on node{node}: entry {next} is not later than entry {index}"));
            }
        }
    }
    wrong
}
