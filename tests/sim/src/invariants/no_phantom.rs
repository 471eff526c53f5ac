//! Every message of the record was sent by a client, as it is there.

use std::collections::BTreeMap;

use super::{History, Replica};

pub(super) fn check(history: &History, replicas: &[Replica]) -> Vec<String> {
    let sent: BTreeMap<&str, (&str, &str)> =
        history.sent.iter().map(|sent| (sent.request.as_str(), (sent.room.as_str(), sent.text.as_str()))).collect();
    let mut wrong = Vec::new();
    for (node, replica) in replicas.iter().enumerate() {
        for (room, entries) in &replica.rooms {
            for entry in entries.iter().filter(|entry| entry.message) {
                if sent.get(entry.request.as_str()) != Some(&(room.as_str(), entry.text.as_str())) {
                    wrong.push(format!("nobody sent {entry:?}, which node{node} has in {room}"));
                }
            }
        }
    }
    wrong
}
