//! What this router refused to people whom it knows, on its way to the record: counted by person and reason, reported
//! in rounds to the person's home shard. Bounded: a flood becomes one number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hansard_domain::PersonId;
use hansard_proto::cluster::v1::ReportRefusals;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_runtime::Clock;

use crate::directory::Target;
use crate::limits::{REFUSALS, REFUSALS_INTERVAL, REFUSALS_ROUND};
use crate::metrics::Metrics;
use crate::principal::Principal;
use crate::upstream::Upstream;

#[derive(Debug)]
struct Counted {
    who: Principal,
    count: u64,
    first_us: i64,
    last_us: i64,
}

/// Refusals that wait to be reported.
pub(crate) struct Refusals {
    waiting: Mutex<HashMap<(PersonId, String), Counted>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Refusals {
    /// None wait.
    pub(crate) fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), clock, metrics }
    }

    /// Counts a refusal.
    pub(crate) fn add(&self, who: &Principal, refused: &Status) {
        Metrics::count(&self.metrics.refusals, refused);
        let Some(reason) = status::reason_of(refused) else { return };
        let now_us = self.clock.now_us();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (who.person, reason);
        if waiting.len() >= REFUSALS && !waiting.contains_key(&key) {
            self.metrics.refusals_dropped.inc();
            return;
        }
        let counted = waiting.entry(key).or_insert_with(|| Counted {
            who: who.clone(),
            count: 0,
            first_us: now_us,
            last_us: now_us,
        });
        counted.count += 1;
        counted.last_us = now_us;
    }

    /// Reports from time to time, for ever.
    pub(crate) async fn keep(&self, upstream: &Upstream) {
        loop {
            tokio::time::sleep(REFUSALS_INTERVAL).await;
            self.report(upstream).await;
        }
    }

    /// Reports a round. What cannot be reported waits for the next.
    pub(crate) async fn report(&self, upstream: &Upstream) {
        for ((person, reason), counted) in self.round() {
            let Counted { who, count, first_us, last_us } = &counted;
            let (count, first_us, last_us) = (*count, *first_us, *last_us);
            let call = Call::ReportRefusals(ReportRefusals { reason: reason.clone(), count, first_us, last_us });
            match upstream.call(Some(who), Target::Home(person), call).await {
                Ok(_) => {}
                // Unknown outcomes are not counted twice: better once too few in the sum than a refusal made up.
                Err(failed) if status::has_reason(&failed, crate::reason::NO_LEADER) => {
                    self.put_back(person, reason, counted)
                }
                Err(failed) => tracing::debug!(code = failed.code, "refusals could not be reported"),
            }
        }
    }

    fn round(&self) -> Vec<((PersonId, String), Counted)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<_> = waiting.keys().take(REFUSALS_ROUND).cloned().collect();
        keys.into_iter().filter_map(|key| waiting.remove_entry(&key)).collect()
    }

    fn put_back(&self, person: PersonId, reason: String, counted: Counted) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&(person, reason.clone())) {
            Some(newer) => {
                newer.count += counted.count;
                newer.first_us = counted.first_us;
            }
            None => {
                waiting.insert((person, reason), counted);
            }
        }
    }
}
