//! What was seen to be wrong while the simulation ran, and panics.

use std::{
    collections::BTreeSet,
    panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::trace::{self, note};

/// A panic: the host that it ended, and what it said.
pub(crate) type Panic = (String, String);

static PANICS: Mutex<Vec<Panic>> = Mutex::new(Vec::new());

/// Violations, each once. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeSet<String>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Findings {
    /// Notes a violation of an invariant.
    pub(crate) fn add(&self, invariant: &str, what: &str) {
        let finding = format!("{invariant}: {what}");
        if lock(&self.0).insert(finding.clone()) {
            note(&format!("VIOLATION {finding}"));
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        lock(&self.0).iter().cloned().collect()
    }
}

/// From now on panics are noted with their host: in production each ends its process. One that comes while another unwinds
/// ends this process, too, so each is printed.
pub(crate) fn watch_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("no message");
        let (host, what) = (trace::host(), format!("{message} at {place}"));
        eprintln!("PANIC on {host}: {what}");
        lock(&PANICS).push((host, what));
    }));
}

/// Panics since the last call.
pub(crate) fn take_panics() -> Vec<Panic> {
    std::mem::take(&mut *lock(&PANICS))
}
