//! Who is here: every open session, by person and by token, so that a revocation finds them at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hansard_domain::PersonId;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use tokio::time::Instant;
use tonic::Code;

use super::inbox::{Inbox, Order, Soft};
use crate::bucket::Bucket;
use crate::limits::Rates;
use crate::principal::Principal;
use crate::{reason, refuse};

/// People whose rate is remembered without a session; beyond it those who are not active are forgotten, now and then.
const RATES: usize = 65_536;

#[derive(Debug)]
struct Here {
    principal: Principal,
    inbox: Arc<Inbox>,
}

#[derive(Debug, Default)]
struct State {
    here: HashMap<u64, Here>,
    by_person: HashMap<PersonId, HashSet<u64>>,
    by_token: HashMap<Arc<str>, HashSet<u64>>,
    rates: HashMap<PersonId, Arc<Mutex<Bucket>>>,
    /// How many there were when those who are not active were last forgotten.
    active: usize,
}

/// All open sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    state: Mutex<State>,
    next: AtomicU64,
    rates: Rates,
}

impl Sessions {
    /// Nobody is here.
    pub(crate) fn new(rates: Rates) -> Self {
        Self { state: Mutex::default(), next: AtomicU64::new(1), rates }
    }

    /// How fast people may go.
    pub(crate) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// A number for a new connection.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().here.len()
    }

    /// Whether nobody is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a session.
    ///
    /// # Errors
    /// When there are too many, here or of this person.
    pub(crate) fn enter(&self, principal: Principal, inbox: Arc<Inbox>) -> Result<(), Status> {
        let mut state = self.lock();
        let of_person = state.by_person.get(&principal.person).map_or(0, HashSet::len);
        for (found, limit, whose) in [
            (state.here.len(), self.rates.sessions, "this router"),
            (of_person, self.rates.person_sessions, "a person here"),
        ] {
            if found >= limit {
                let text = format!("{whose} has at most {limit} sessions; try another router");
                let metadata = [("limit", limit.to_string())];
                let full = status::with_metadata(Code::ResourceExhausted, reason::TOO_MANY_SESSIONS, text, metadata);
                return Err(status::add_retry(full, std::time::Duration::from_secs(5)));
            }
        }
        let session = inbox.session;
        state.by_person.entry(principal.person).or_default().insert(session);
        if let Some(token) = &principal.token_id {
            state.by_token.entry(token.clone()).or_default().insert(session);
        }
        state.here.insert(session, Here { principal, inbox });
        Ok(())
    }

    /// Removes a session. Returns the person if that was the person's last one.
    pub(crate) fn leave(&self, session: u64) -> Option<PersonId> {
        let mut state = self.lock();
        let here = state.here.remove(&session)?;
        if let Some(token) = &here.principal.token_id
            && let Some(others) = state.by_token.get_mut(token)
        {
            others.remove(&session);
            if others.is_empty() {
                state.by_token.remove(token);
            }
        }
        let person = here.principal.person;
        let others = state.by_person.get_mut(&person)?;
        others.remove(&session);
        if !others.is_empty() {
            return None;
        }
        state.by_person.remove(&person);
        Some(person)
    }

    /// Whether the person has a session here.
    pub(crate) fn has(&self, person: PersonId) -> bool {
        self.lock().by_person.contains_key(&person)
    }

    /// How fast the person goes here, over all sessions and calls.
    pub(crate) fn rate(&self, person: PersonId) -> Arc<Mutex<Bucket>> {
        let mut state = self.lock();
        // When there are twice as many as were active at the last time: as all are looked at, that costs each a little.
        if state.rates.len() >= RATES.max(state.active * 2) {
            state.rates.retain(|_, rate| Arc::strong_count(rate) > 1);
            state.active = state.rates.len();
        }
        let Rates { person_per_second, person_burst, .. } = self.rates;
        let bucket = || Arc::new(Mutex::new(Bucket::new(person_per_second, person_burst, Instant::now())));
        state.rates.entry(person).or_insert_with(bucket).clone()
    }

    /// Leaves soft state with all sessions of a person here, maybe but one.
    pub(crate) fn tell(&self, person: PersonId, but: Option<u64>, soft: &Soft) {
        let state = self.lock();
        for session in state.by_person.get(&person).into_iter().flatten().filter(|session| Some(**session) != but) {
            if let Some(here) = state.here.get(session) {
                here.inbox.soft(soft.clone());
            }
        }
    }

    /// Cuts the sessions of a revoked token.
    pub(crate) fn revoke_token(&self, token_id: &str) {
        let state = self.lock();
        for session in state.by_token.get(token_id).into_iter().flatten() {
            if let Some(here) = state.here.get(session) {
                here.inbox.order(revoked());
            }
        }
    }

    /// Cuts the sessions whose token was issued to a person before a time.
    pub(crate) fn revoke_person(&self, person: PersonId, not_before_s: i64) {
        let state = self.lock();
        for session in state.by_person.get(&person).into_iter().flatten() {
            if let Some(here) = state.here.get(session).filter(|here| here.principal.issued_s < not_before_s) {
                here.inbox.order(revoked());
            }
        }
    }

    /// All inboxes, for what concerns everybody.
    pub(crate) fn inboxes(&self) -> Vec<Arc<Inbox>> {
        self.lock().here.values().map(|here| here.inbox.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn revoked() -> Order {
    let status = refuse::unauthenticated(reason::TOKEN_REVOKED, "the token was revoked");
    Order { status, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(person: u8, token: &str, issued_s: i64) -> Principal {
        Principal {
            person: PersonId::from_bytes([person; 16]),
            epoch: 0,
            operator: false,
            issuer: "i".into(),
            token_id: Some(token.into()),
            issued_s,
            expires_s: i64::MAX,
        }
    }

    fn enter(sessions: &Sessions, principal: Principal) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(sessions.number()));
        sessions.enter(principal, inbox.clone()).unwrap();
        inbox
    }

    #[test]
    fn revocations_find_their_sessions_only() {
        let sessions = Sessions::new(Rates::default());
        let a = enter(&sessions, principal(1, "a", 10));
        let b = enter(&sessions, principal(1, "b", 20));
        let c = enter(&sessions, principal(2, "c", 10));
        sessions.revoke_token("a");
        assert!(a.take().order.is_some() && b.take().order.is_none() && c.take().order.is_none());
        sessions.revoke_person(PersonId::from_bytes([1; 16]), 20);
        assert!(a.take().order.is_some() && b.take().order.is_none() && c.take().order.is_none());
        sessions.revoke_person(PersonId::from_bytes([1; 16]), 21);
        assert!(b.take().order.is_some() && c.take().order.is_none());
        assert_eq!(sessions.leave(a.session), None);
        assert_eq!(sessions.leave(b.session), Some(PersonId::from_bytes([1; 16])));
        assert_eq!((sessions.len(), sessions.lock().by_token.len()), (1, 1));
    }

    #[test]
    fn rates_are_forgotten_now_and_then_however_many_are_active() {
        let sessions = Sessions::new(Rates::default());
        let person = |number: usize| PersonId::from_bytes((number as u128).to_be_bytes());
        let remembered = || sessions.lock().rates.len();
        let mut active: Vec<_> = (0..RATES).map(|number| sessions.rate(person(number))).collect();
        assert_eq!(remembered(), RATES);
        // The first one that is too many has all looked at, in vain; those that come and go after it do not.
        for number in RATES..RATES * 2 {
            sessions.rate(person(number));
            assert_eq!(remembered(), number + 1);
        }
        active.truncate(10);
        sessions.rate(person(RATES * 2));
        assert_eq!(remembered(), 11, "those who are active, and the newest");
        assert!(Arc::ptr_eq(&active[3], &sessions.rate(person(3))), "who is active keeps the same rate");
        for number in 0..RATES * 3 {
            sessions.rate(person(number));
            assert!(remembered() <= RATES);
        }
    }

    #[test]
    fn people_may_have_so_many_sessions() {
        let sessions = Sessions::new(Rates { person_sessions: 1, sessions: 2, ..Rates::default() });
        let enter = |person| sessions.enter(principal(person, "t", 0), Arc::new(Inbox::new(sessions.number())));
        enter(1).unwrap();
        assert!(status::has_reason(&enter(1).unwrap_err(), reason::TOO_MANY_SESSIONS));
        enter(2).unwrap();
        assert!(status::has_reason(&enter(3).unwrap_err(), reason::TOO_MANY_SESSIONS));
    }
}
