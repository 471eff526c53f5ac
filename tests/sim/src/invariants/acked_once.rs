//! An acked send is in the record of every replica: once, at the seq it was acked with, with its text.

use super::{History, Replica, places};
use crate::history::Outcome;

pub(super) fn check(history: &History, replicas: &[Replica]) -> Vec<String> {
    let mut wrong = Vec::new();
    for sent in &history.sent {
        let Some(Outcome::Acked(seq)) = sent.outcome else { continue };
        for (node, replica) in replicas.iter().enumerate() {
            let found = places(replica, &sent.request);
            if found != [(sent.room.clone(), seq)] {
                wrong
                    .push(format!("{} was acked as {seq} of {}, node{node} has it at {found:?}", sent.text, sent.room));
                continue;
            }
            let entries = &replica.rooms[&sent.room];
            if !entries.iter().any(|entry| entry.seq == seq && entry.message && entry.text == sent.text) {
                wrong.push(format!("{} was acked as {seq} of {}, node{node} has another text", sent.text, sent.room));
            }
        }
    }
    wrong
}
