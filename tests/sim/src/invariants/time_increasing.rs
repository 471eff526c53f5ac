//! In the order of a shard's record, time strictly increases, whatever the nodes' clocks say.

use super::{Evidence, History};

pub(super) fn check(_: &History, evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shard, record) in &evidence.records {
        if let Some(at) = record.times.windows(2).position(|pair| pair[1] <= pair[0]) {
            wrong.push(format!("shard {shard}: entry {} is not later than entry {at}", at + 1));
        }
    }
    wrong
}
