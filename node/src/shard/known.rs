//! Facts by which a person could speak in a room a moment ago: most sends need no look at the rows.
//!
//! Kept for one term of leadership: within it whatever changes a membership is proposed here, and forgets what it touches. What
//! is old all the same can only let through what apply refuses, never refuse what apply would take: whoever is refused by
//! it is judged again by the rows, and whoever apply refuses is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hansard_domain::{Action, LoadedFacts, Outcome, PersonId, RoomId};

/// People in rooms that are kept for one shard, about 300 bytes each. Beyond it all are forgotten: the next send of each reads
/// the rows once.
const KEPT: usize = 8_192;

/// See the module.
#[derive(Default)]
pub(super) struct Known(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    term: u64,
    facts: HashMap<(PersonId, RoomId), Arc<LoadedFacts>>,
}

impl Known {
    /// What was true when the person last spoke there.
    pub(super) fn get(&self, term: u64, actor: PersonId, action: &Action) -> Option<Arc<LoadedFacts>> {
        let room = said_in(action)?;
        self.with(term, |facts| facts.get(&(actor, room)).cloned())
    }

    /// Keeps what permitted the action.
    pub(super) fn keep(&self, term: u64, actor: PersonId, action: &Action, facts: LoadedFacts) {
        let Some(room) = said_in(action) else { return };
        self.with(term, |known| {
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert((actor, room), Arc::new(facts));
        });
    }

    /// Forgets what an outcome shows to be old.
    pub(super) fn learn(&self, term: u64, actor: PersonId, action: &Action, outcome: Outcome) {
        let touched = match (*action, outcome) {
            (Action::SendMessage { room }, Outcome::Refused(_)) | (Action::Leave { room }, _) => (actor, room),
            (Action::Remove { room, person } | Action::SetRole { room, person, .. }, _) => (person, room),
            _ => return,
        };
        self.with(term, |facts| facts.remove(&touched));
    }

    fn with<T>(&self, term: u64, work: impl FnOnce(&mut HashMap<(PersonId, RoomId), Arc<LoadedFacts>>) -> T) -> T {
        let mut kept = self.0.lock().expect("no holder panics");
        if kept.term != term {
            *kept = Kept { term, facts: HashMap::new() };
        }
        work(&mut kept.facts)
    }
}

fn said_in(action: &Action) -> Option<RoomId> {
    match action {
        Action::SendMessage { room } => Some(*room),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hansard_domain::{Refusal, Role};

    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);
    const ANN: PersonId = PersonId::from_bytes([2; 16]);
    const BEN: PersonId = PersonId::from_bytes([3; 16]);
    const SEND: Action = Action::SendMessage { room: ROOM };
    const DONE: Outcome = Outcome::Committed { seq: 2, time_us: 3, repeated: false };

    #[test]
    fn is_forgotten_by_what_changes_it_by_a_refusal_and_by_the_next_term() {
        let known = Known::default();
        let kept = |term| known.get(term, BEN, &SEND).is_some();
        let changes: [(u64, PersonId, Action, Outcome); 5] = [
            (7, ANN, Action::Remove { room: ROOM, person: BEN }, DONE),
            (7, ANN, Action::SetRole { room: ROOM, person: BEN, role: Role::Guest }, DONE),
            (7, BEN, Action::Leave { room: ROOM }, DONE),
            (7, BEN, SEND, Outcome::Refused(Refusal::NotMember)),
            (8, ANN, SEND, DONE),
        ];
        for (term, actor, action, outcome) in changes {
            known.keep(7, BEN, &SEND, LoadedFacts::default());
            known.learn(7, BEN, &SEND, DONE);
            known.learn(7, ANN, &Action::Remove { room: ROOM, person: ANN }, DONE);
            assert!(kept(7));
            known.learn(term, actor, &action, outcome);
            assert!(!kept(term), "{action:?}");
        }
    }

    #[test]
    fn is_bounded() {
        let known = Known::default();
        for n in 0..=KEPT as u64 {
            let mut room = [0; 16];
            room[..8].copy_from_slice(&n.to_be_bytes());
            let send = Action::SendMessage { room: RoomId::from_bytes(room) };
            known.keep(1, BEN, &send, LoadedFacts::default());
        }
        assert_eq!(known.0.lock().unwrap().facts.len(), 1);
    }
}
