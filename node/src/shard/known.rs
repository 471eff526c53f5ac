//! Facts by which a person could speak in a room a moment ago: most sends need no look at the rows.
//!
//! Facts that are kept may be old. That can only let through what apply refuses, never refuse what apply would take: whoever
//! is refused by them is judged again by the rows, and whoever apply refuses is forgotten here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hansard_domain::{Action, LoadedFacts, PersonId, RoomId};

/// People in rooms that are kept for one shard, about 300 bytes each. Beyond it all are forgotten: the next send of each reads
/// the rows once.
const KEPT: usize = 8_192;

/// See the module.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<(PersonId, RoomId), Arc<LoadedFacts>>>);

impl Known {
    /// What was true when the person last spoke there.
    pub(super) fn get(&self, actor: PersonId, action: &Action) -> Option<Arc<LoadedFacts>> {
        self.lock().get(&(actor, said_in(action)?)).cloned()
    }

    /// Keeps what permitted the action.
    pub(super) fn keep(&self, actor: PersonId, action: &Action, facts: LoadedFacts) {
        let Some(room) = said_in(action) else { return };
        let mut known = self.lock();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert((actor, room), Arc::new(facts));
    }

    /// Apply knew better.
    pub(super) fn forget(&self, actor: PersonId, action: &Action) {
        if let Some(room) = said_in(action) {
            self.lock().remove(&(actor, room));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(PersonId, RoomId), Arc<LoadedFacts>>> {
        self.0.lock().expect("no holder panics")
    }
}

fn said_in(action: &Action) -> Option<RoomId> {
    match action {
        Action::SendMessage { room } => Some(*room),
        _ => None,
    }
}
