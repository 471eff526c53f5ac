//! What must hold in every run, one file each. A check returns what is wrong, in words; nothing if all is well.

mod acked_once;
mod followers;
mod no_phantom;
mod replicas_equal;
mod seq_gap_free;
mod time_increasing;
mod unknown_at_most_once;

use crate::{evidence::Replica, history::Inner as History};

/// A check of the clients' histories against what the nodes hold.
type Check = fn(&History, &[Replica]) -> Vec<String>;

const ALL: [(&str, Check); 7] = [
    ("acked_once", acked_once::check),
    ("unknown_at_most_once", unknown_at_most_once::check),
    ("no_phantom", no_phantom::check),
    ("seq_gap_free", seq_gap_free::check),
    ("followers", followers::check),
    ("replicas_equal", replicas_equal::check),
    ("time_increasing", time_increasing::check),
];

/// All violations.
pub(crate) fn check(history: &History, replicas: &[Replica]) -> Vec<String> {
    let named = |(name, check): &(&str, Check)| {
        let found = check(history, replicas);
        found.into_iter().map(|what| format!("{name}: {what}")).collect::<Vec<_>>()
    };
    ALL.iter().flat_map(named).collect()
}

/// Where a request's effects are on a replica: rooms and seqs.
fn places(replica: &Replica, request: &str) -> Vec<(String, u64)> {
    let of_room = |(room, entries): (&String, &Vec<crate::evidence::Stored>)| {
        let found = entries.iter().filter(|entry| entry.request == request);
        found.map(|entry| (room.clone(), entry.seq)).collect::<Vec<_>>()
    };
    replica.rooms.iter().flat_map(of_room).collect()
}
