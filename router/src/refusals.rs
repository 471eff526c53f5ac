//! What this router refused to people whom it knows, on its way to the record: counted by person and reason, reported
//! in rounds to the person's home shard. Bounded: a flood becomes one number.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use hansard_domain::{PersonId, RequestId};
use hansard_proto::cluster::v1::ReportRefusals;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::convert::bytes;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_runtime::{Clock, Entropy};
use tonic::Code;

use crate::directory::Target;
use crate::limits::{REFUSALS, REFUSALS_INTERVAL, REFUSALS_ROUND};
use crate::metrics::Metrics;
use crate::principal::Principal;
use crate::reason;
use crate::upstream::Upstream;

#[derive(Debug, Clone)]
struct Counted {
    who: Principal,
    count: u64,
    first_us: i64,
    last_us: i64,
}

/// A count on its way, which does not grow any more: whatever comes of it, this request is recorded at most once.
#[derive(Debug)]
struct Report {
    request: RequestId,
    reason: String,
    counted: Counted,
    /// An earlier try may have been recorded.
    unknown: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    counts: HashMap<(PersonId, String), Counted>,
    /// Whose outcome is unknown, and is to be learnt by sending them again.
    unknown: VecDeque<Report>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.counts.len() + self.unknown.len() >= REFUSALS
    }
}

/// What came of a report.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing was done.
    NotDone,
    /// It may have been recorded.
    Unknown,
    /// It is not taken.
    Refused,
}

/// Refusals that wait to be reported.
pub(crate) struct Refusals {
    waiting: Mutex<Waiting>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
}

impl Refusals {
    /// None wait.
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, metrics: Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), clock, entropy, metrics }
    }

    /// Counts a refusal.
    pub(crate) fn add(&self, who: &Principal, refused: &Status) {
        Metrics::count(&self.metrics.refusals, refused);
        let Some(reason) = status::reason_of(refused) else { return };
        let now_us = self.clock.now_us();
        let mut waiting = self.waiting();
        let key = (who.person, reason);
        if waiting.is_full() && !waiting.counts.contains_key(&key) {
            self.metrics.refusals_dropped.inc();
            return;
        }
        let counted = waiting.counts.entry(key).or_insert_with(|| Counted {
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

    /// Reports a round, all at once: a shard without a leader holds up no other's. What cannot be reported waits for the next.
    pub(crate) async fn report(&self, upstream: &Upstream) {
        let send = |report: Report| async move {
            let Counted { who, count, first_us, last_us } = &report.counted;
            let call = Call::ReportRefusals(ReportRefusals {
                reason: report.reason.clone(),
                count: *count,
                first_us: *first_us,
                last_us: *last_us,
                request_id: bytes(report.request),
            });
            let answer = upstream.call(Some(who), Target::Home(who.person), call).await;
            if let Err(failed) = answer {
                self.failed(report, &failed);
            }
        };
        stream::iter(self.round()).for_each_concurrent(REFUSALS_ROUND, send).await;
    }

    /// What is reported next: up to a half of it for the second time.
    fn round(&self) -> Vec<Report> {
        let mut waiting = self.waiting();
        let again = waiting.unknown.len().min(REFUSALS_ROUND / 2);
        let mut round: Vec<_> = waiting.unknown.drain(..again).collect();
        let mut keys: Vec<_> = waiting.counts.keys().take(REFUSALS_ROUND - again).cloned().collect();
        // So that the same dice give the same requests.
        keys.sort_unstable();
        for key in keys {
            let Some(((_, reason), counted)) = waiting.counts.remove_entry(&key) else { continue };
            let request = RequestId::from_bytes(self.entropy.id());
            round.push(Report { request, reason, counted, unknown: false });
        }
        round
    }

    /// Keeps a report that was not answered, as it was if it may have been recorded. What is surely not is counted on.
    fn failed(&self, report: Report, why: &Status) {
        let mut waiting = self.waiting();
        let full = waiting.is_full();
        match fate(why) {
            Fate::Refused => self.drop_report(&report, why),
            // Turned away this time says nothing of the times before.
            Fate::Unknown | Fate::NotDone if report.unknown => waiting.unknown.push_back(report),
            Fate::Unknown if full => self.drop_report(&report, why),
            Fate::Unknown => waiting.unknown.push_back(Report { unknown: true, ..report }),
            Fate::NotDone => match waiting.counts.get_mut(&(report.counted.who.person, report.reason.clone())) {
                Some(newer) => {
                    newer.count += report.counted.count;
                    newer.first_us = report.counted.first_us;
                }
                None if full => self.drop_report(&report, why),
                None => {
                    let Report { reason, counted, .. } = report;
                    waiting.counts.insert((counted.who.person, reason), counted);
                }
            },
        }
    }

    fn drop_report(&self, report: &Report, why: &Status) {
        self.metrics.refusals_dropped.inc_by(report.counted.count);
        tracing::debug!(code = why.code, count = report.counted.count, "refusals could not be reported");
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failed call says of the report.
fn fate(why: &Status) -> Fate {
    match status::code_of(why) {
        _ if status::has_reason(why, reason::NO_LEADER) => Fate::NotDone,
        Code::ResourceExhausted if status::retry_after(why).is_some() => Fate::NotDone,
        _ if status::is_unknown_outcome(why) => Fate::Unknown,
        _ => Fate::Refused,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hansard_runtime::SeededEntropy;
    use hansard_runtime::clock::ManualClock;

    use super::*;
    use crate::refuse;

    fn principal(number: u64) -> Principal {
        let mut person = [0; 16];
        person[..8].copy_from_slice(&number.to_be_bytes());
        Principal {
            person: PersonId::from_bytes(person),
            epoch: 0,
            operator: false,
            issuer: Arc::from("issuer"),
            token_id: None,
            issued_s: 0,
            expires_s: i64::MAX,
        }
    }

    fn refusals() -> (Refusals, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(1));
        let metrics = Arc::new(Metrics::new(&hansard_runtime::Metrics::new()));
        (Refusals::new(clock.clone(), Arc::new(SeededEntropy::new(1)), metrics), clock)
    }

    fn refused() -> Status {
        status::new(Code::InvalidArgument, reason::BAD_ID, "no id")
    }

    fn one(refusals: &Refusals) -> Report {
        let mut round = refusals.round();
        assert_eq!(round.len(), 1, "{round:?}");
        round.remove(0)
    }

    fn not_done() -> [Status; 3] {
        let full = status::retryable(Code::ResourceExhausted, reason::STORAGE_FULL, "full", Duration::from_secs(1));
        [refuse::overloaded("calls to a node", 1), full, refuse::unavailable(reason::NO_LEADER, "nobody leads")]
    }

    #[test]
    fn what_may_have_been_recorded_is_sent_again_as_it_was() {
        let (refusals, _) = refusals();
        refusals.add(&principal(1), &refused());
        let first = one(&refusals);
        let request = first.request;
        refusals.failed(first, &status::unknown_outcome("the link broke"));
        refusals.add(&principal(1), &refused());
        let mut round = refusals.round();
        let newer = round.pop().expect("what was refused since");
        assert_ne!(newer.request, request);
        // Turned away now, it may have been recorded before.
        let [overloaded, ..] = not_done();
        refusals.failed(round.pop().expect("the first"), &overloaded);
        let again = one(&refusals);
        assert_eq!((again.request, again.counted.count), (request, 1));
        assert_eq!(refusals.metrics.refusals_dropped.get(), 0);
    }

    #[test]
    fn what_was_surely_not_recorded_is_counted_on() {
        let (refusals, clock) = refusals();
        for (told, why) in (1..).zip(not_done()) {
            clock.set(told);
            refusals.add(&principal(1), &refused());
            let report = one(&refusals);
            refusals.add(&principal(1), &refused());
            refusals.failed(report, &why);
            let merged = one(&refusals);
            let Counted { count, first_us, last_us, .. } = merged.counted;
            assert_eq!((count, first_us, last_us), (2, told, told), "{why:?}");
            refusals.failed(merged, &why);
            assert_eq!(one(&refusals).counted.count, 2);
        }
        assert_eq!(refusals.metrics.refusals_dropped.get(), 0);
    }

    #[test]
    fn what_is_not_kept_is_counted_as_dropped() {
        let (refusals, _) = refusals();
        let stale = status::new(Code::Unauthenticated, reason::PERSON_EPOCH_STALE, "revoked");
        refusals.add(&principal(0), &refused());
        refusals.failed(one(&refusals), &stale);
        assert_eq!(refusals.metrics.refusals_dropped.get(), 1);
        for number in 0..2 {
            refusals.add(&principal(number), &refused());
        }
        let round = refusals.round();
        for number in 2..=REFUSALS as u64 + 2 {
            refusals.add(&principal(number), &refused());
        }
        assert_eq!(refusals.metrics.refusals_dropped.get(), 2, "one more than have room");
        let [overloaded, ..] = not_done();
        for (report, why) in round.into_iter().zip([overloaded, status::unknown_outcome("the link broke")]) {
            refusals.failed(report, &why);
        }
        assert_eq!(refusals.metrics.refusals_dropped.get(), 4);
        assert!(refusals.waiting().is_full());
        assert_eq!(refusals.round().len(), REFUSALS_ROUND);
    }
}
