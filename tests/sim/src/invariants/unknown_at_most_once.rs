//! A send whose outcome its client never learned happened at most once; a refused one never.

use super::{History, Replica, places};
use crate::history::Outcome;

pub(super) fn check(history: &History, replicas: &[Replica]) -> Vec<String> {
    let mut wrong = Vec::new();
    for sent in &history.sent {
        let most = match &sent.outcome {
            Some(Outcome::Acked(_)) | Some(Outcome::Unknown) | None => 1,
            Some(Outcome::Refused(_)) => 0,
        };
        for (node, replica) in replicas.iter().enumerate() {
            let found = places(replica, &sent.request);
            if found.len() > most {
                wrong.push(format!("{} ended as {:?}, node{node} has it at {found:?}", sent.text, sent.outcome));
            }
        }
    }
    wrong
}
