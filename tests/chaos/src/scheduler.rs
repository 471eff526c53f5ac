//! Carries the plan out: several disturbances at once, one displacement at a time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::args;
use crate::claims::Needs;
use crate::faults::{Lane, Outcome};
use crate::host::network::inside;
use crate::http::metrics;
use crate::members;
use crate::plan::{Plan, Planned};
use crate::rig::Rig;
use crate::verdict::Faults;

/// Disturbances that may overlap.
const AT_ONCE: usize = 4;
/// How long a fault waits for what it needs.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a node that was down may take to serve.
const SERVES: Duration = Duration::from_secs(20);
/// How long it may take until all nodes are up at once, while other faults go on.
const WHOLE: Duration = Duration::from_secs(300);

/// Runs both lanes for so long, and until each kind has come once; all is healed when it returns.
pub(crate) fn run(rig: &Rig, args: &args::Run, seed: u64) -> Result<Faults> {
    let mut disturb = Plan::new(Lane::Disturb, seed, &args.only)?;
    let mut displace = Plan::new(Lane::Displace, seed, &args.only)?;
    let until = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let faults = Faults::default();
    let places = Places { free: Mutex::new(AT_ONCE), changed: Condvar::new() };
    let goes_on = |plan: &Plan| !rig.ending() && (Instant::now() < until || !plan.is_round());
    thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on(&displace) {
                let Some(planned) = displace.next() else { return };
                let allowed = args.allow_skip.iter().any(|name| name == planned.kind.name);
                if !may_go_on(one(rig, &faults, planned), allowed, || is_whole(rig)) {
                    return rig.journal.fail("nothing more is displaced");
                }
            }
        });
        while goes_on(&disturb) {
            let Some(planned) = disturb.next() else { break };
            places.take();
            let (faults, places) = (&faults, &places);
            scope.spawn(move || {
                one(rig, faults, planned);
                places.give();
            });
            rig.linger(Duration::from_secs_f64(args.every));
        }
    });
    Ok(faults)
}

/// How a fault went, from its claim to its healing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// As it should.
    Well,
    /// It was not installed; whatever of it there was is healed.
    Skipped,
    /// It is not healed.
    Badly,
}

/// Whether another replica may be taken away after a displacement that went so. One that was skipped may have gone half-way, and a
/// replica be missing: then the next one could take the last, unless the cluster is seen to be whole. `allowed`: it may be skipped.
fn may_go_on(went: Went, allowed: bool, is_whole: impl FnOnce() -> bool) -> bool {
    match went {
        Went::Well => true,
        Went::Skipped => allowed && is_whole(),
        Went::Badly => false,
    }
}

/// Waits until no replica is missing, or no more is displaced anyway.
fn is_whole(rig: &Rig) -> bool {
    rig.wait(WHOLE, || rig.ending() || members::are_whole(rig).is_ok_and(|whole| whole))
}

/// One fault, from its claim to its healing.
pub(crate) fn one(rig: &Rig, faults: &Faults, mut planned: Planned) -> Went {
    let (name, fault) = (planned.kind.name, &mut planned.fault);
    let Some(claim) = rig.claims.take(planned.kind.needs, planned.first, PATIENCE) else {
        let why = format!("what it needs was not free within {PATIENCE:?}");
        note(rig, faults, name, &Outcome::Skipped(why));
        return Went::Skipped;
    };
    // It waited for its claim while the run was ended.
    if rig.ending() {
        return Went::Well;
    }
    let numbers = claim.numbers().to_vec();
    if planned.kind.needs == Needs::Node {
        bring_up(rig, &numbers);
    }
    let outcome = fault.install(rig, &numbers).unwrap_or_else(|error| Outcome::Skipped(format!("{error:#}")));
    // One that was dropped half-way says nothing.
    if !rig.stopping() {
        note(rig, faults, name, &outcome);
    }
    let _held = (planned.kind.lane == Lane::Disturb).then_some(claim);
    rig.linger(Duration::from_secs(planned.seconds));
    match fault.undo(rig, &numbers) {
        Ok(()) => {
            rig.journal.say(format!("{name} is healed"));
            if matches!(outcome, Outcome::Skipped(_)) { Went::Skipped } else { Went::Well }
        }
        Err(error) => {
            rig.journal.fail(format!("{name} is not healed: {error:#}"));
            Went::Badly
        }
    }
}

/// A node that has ended, of what struck it before, is down for as long as somebody has hands on it: what is to strike it now must find
/// it at work. One that does not come up for long is left to the supervisor.
fn bring_up(rig: &Rig, nodes: &[usize]) {
    for slot in nodes.iter().map(|node| &rig.slots[*node]) {
        rig.wait(SERVES, || {
            if let Some(status) = slot.process.ended() {
                rig.journal.say(format!("{} has ended ({status:?}) and is started again", slot.name));
            }
            slot.process.start().is_ok() && inside(&slot.process.namespace, || metrics(&slot.address)).is_ok()
        });
    }
}

fn note(rig: &Rig, faults: &Faults, name: &'static str, outcome: &Outcome) {
    rig.journal.say(format!("{name}: {outcome:?}"));
    faults.note(name, outcome);
}

/// Places for disturbances.
struct Places {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Places {
    fn take(&self) {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let none = |free: &mut usize| *free == 0;
        *self.changed.wait_while(free, none).unwrap_or_else(PoisonError::into_inner) -= 1;
    }

    fn give(&self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displacement_that_may_be_skipped_stops_no_others_once_the_cluster_is_whole() {
        assert!(may_go_on(Went::Skipped, true, || true));
        assert!(!may_go_on(Went::Skipped, true, || false));
        assert!(!may_go_on(Went::Skipped, false, || true));
        assert!(may_go_on(Went::Well, false, || false));
        assert!(!may_go_on(Went::Badly, true, || true));
    }
}
