//! A term has one leader: what the nodes say of leadership in their logs, compared.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use tracing::{
    Event,
    field::{Field, Visit},
};

/// (shard, term) -> leader.
static LEADERS: Mutex<BTreeMap<(String, u64), u64>> = Mutex::new(BTreeMap::new());
static DISPUTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Default)]
struct Said {
    shard: Option<String>,
    term: Option<u64>,
    leader: Option<u64>,
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "term" => self.term = Some(value),
            "leader" => self.leader = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "shard" {
            self.shard = Some(format!("{value:?}"));
        }
    }
}

/// Looks at a log line of a node.
pub(crate) fn see(event: &Event<'_>) {
    if event.metadata().fields().field("serving").is_none() {
        return;
    }
    let mut said = Said::default();
    event.record(&mut said);
    let (Some(shard), Some(term), Some(leader)) = (said.shard, said.term, said.leader) else { return };
    let mut leaders = LEADERS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = *leaders.entry((shard.clone(), term)).or_insert(leader);
    if known != leader {
        let dispute = format!("{known} and {leader} both lead shard {shard} in term {term}");
        DISPUTES.lock().unwrap_or_else(PoisonError::into_inner).push(dispute);
    }
}

/// Disputes since the last call.
pub(crate) fn take_disputes() -> Vec<String> {
    std::mem::take(&mut *DISPUTES.lock().unwrap_or_else(PoisonError::into_inner))
}
