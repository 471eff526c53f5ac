//! Requests under way: sends and calls, each kept until its outcome is known.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use hansard_proto::{rpc::Status, status};
use prost::bytes::Bytes;
use prost_types::{Any, Timestamp};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    ClientError, RequestId, backoff,
    error::{Detail, is_retryable},
};

/// What tells a request from the others in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A mutating frame, by its request id.
    Frame(RequestId),
    /// A call, by the number that this client gave it.
    Call(u64),
}

/// What a server answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Ack { room: String, seq: u64, time: Option<Timestamp> },
    Reply(Any),
}

/// An answer, and how often the request was sent for it.
pub(crate) type Outcome = Result<(Answer, u32), ClientError>;

struct Pending {
    /// The frame as it is sent, each time.
    frame: Bytes,
    reply: oneshot::Sender<Outcome>,
    /// What to repeat the intent with, for errors, if the key does not say.
    request_id: Option<String>,
    deadline: Instant,
    /// The order in which requests were made; repeated in the same order after a reconnect.
    order: u64,
    sent: u32,
    last: Option<Status>,
}

/// All requests under way. Bounded by the client's semaphores.
#[derive(Default)]
pub(crate) struct Requests {
    pending: HashMap<Key, Pending>,
    made: u64,
    /// No request's deadline is before it.
    due: Option<Instant>,
}

impl Requests {
    /// Keeps a request until it is settled or given up. Refused when the same one is under way already.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        frame: Bytes,
        request_id: Option<String>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Outcome>, ClientError> {
        let Entry::Vacant(place) = self.pending.entry(key) else {
            return Err(ClientError::Invalid("a request with this id is under way already".into()));
        };
        let (reply, answer) = oneshot::channel();
        self.made += 1;
        place.insert(Pending { frame, reply, request_id, deadline, order: self.made, sent: 0, last: None });
        Ok(answer)
    }

    /// The frame to send for a request, if it is still wanted.
    pub(crate) fn render(&mut self, key: Key) -> Option<Bytes> {
        let pending = self.pending.get_mut(&key)?;
        pending.sent += 1;
        Some(pending.frame.clone())
    }

    /// Whether the deadlines must be looked at sooner than was said before, because of a new one.
    pub(crate) fn is_sooner(&mut self, deadline: Instant) -> bool {
        let sooner = self.due.is_none_or(|due| deadline < due);
        if sooner {
            self.due = Some(deadline);
        }
        sooner
    }

    /// Gives up the requests whose deadlines have passed. Returns when to look again. One look at all of them now and then is
    /// cheaper than a timer for each.
    pub(crate) fn expire_due(&mut self, now: Instant) -> Option<Instant> {
        if self.due.is_some_and(|due| due <= now) {
            for (key, pending) in self.pending.extract_if(|_, pending| pending.deadline <= now) {
                let (reply, error) = expired(key, pending);
                let _ = reply.send(Err(error));
            }
            self.due = self.pending.values().map(|pending| pending.deadline).min();
        }
        self.due
    }

    /// The outcome is known. Answers to what nobody waits for any more are dropped.
    pub(crate) fn settle(&mut self, key: Key, answer: Answer) {
        if let Some(pending) = self.pending.remove(&key) {
            let _ = pending.reply.send(Ok((answer, pending.sent)));
        }
    }

    /// The server sent an error. Returns when to send the request again, if it should be.
    pub(crate) fn fail(&mut self, key: Key, error: Status) -> Option<Duration> {
        let pending = self.pending.get_mut(&key)?;
        if is_retryable(&error) {
            let least = status::retry_after(&error).unwrap_or_default();
            pending.last = Some(error);
            return Some(backoff::retry_delay(pending.sent, least));
        }
        let pending = self.pending.remove(&key)?;
        let _ = pending.reply.send(Err(ClientError::from_status(&error, request_id(key, pending.request_id))));
        None
    }

    /// Fails a request for good because the server's answer made no sense.
    pub(crate) fn reject(&mut self, key: Key, error: ClientError) {
        if let Some(pending) = self.pending.remove(&key) {
            let _ = pending.reply.send(Err(error));
        }
    }

    /// Nobody waits for the request any more.
    pub(crate) fn forget(&mut self, key: Key) {
        self.pending.remove(&key);
    }

    /// All requests, in the order in which they were made.
    pub(crate) fn keys_in_order(&self) -> Vec<Key> {
        let mut keys: Vec<_> = self.pending.iter().map(|(key, pending)| (pending.order, *key)).collect();
        keys.sort_unstable_by_key(|(order, _)| *order);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// The client ends. What was never sent fails with the cause; the rest is unknown.
    pub(crate) fn end(&mut self, cause: &ClientError) {
        for (key, pending) in self.pending.drain() {
            let error = match pending.sent {
                0 => cause.clone(),
                _ => unknown("SESSION_ENDED", &cause.to_string(), request_id(key, pending.request_id)),
            };
            let _ = pending.reply.send(Err(error));
        }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }
}

/// What to repeat an intent with.
fn request_id(key: Key, said: Option<String>) -> Option<String> {
    match key {
        Key::Frame(id) => Some(id.to_string()),
        Key::Call(_) => said,
    }
}

/// The deadline passed: what is known of the outcome, and whom to tell.
fn expired(key: Key, pending: Pending) -> (oneshot::Sender<Outcome>, ClientError) {
    let request_id = request_id(key, pending.request_id);
    let error = match pending.last {
        // Whatever the newest attempt came to, an earlier one may be under way still.
        Some(status) => ClientError::Unknown { detail: Box::new(Detail::of(&status)), request_id },
        None if pending.sent == 0 => unknown("NOT_SENT", "no session stood before the deadline", request_id),
        None => unknown("DEADLINE_EXCEEDED", "no answer before the deadline", request_id),
    };
    (pending.reply, error)
}

fn unknown(reason: &str, message: &str, request_id: Option<String>) -> ClientError {
    ClientError::Unknown { detail: Box::new(Detail::local(reason, message)), request_id }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_deadline_after_a_retryable_answer_leaves_the_outcome_unknown() {
        let (mut requests, key, now) = (Requests::default(), Key::Call(1), Instant::now());
        let answer = requests.insert(key, Bytes::new(), Some("ab".to_owned()), now).expect("it is new");
        assert!(requests.is_sooner(now));
        requests.render(key);
        let busy = status::retryable(Code::ResourceExhausted, "OVERLOADED", "busy", Duration::from_millis(1));
        assert!(requests.fail(key, busy).is_some());
        assert_eq!(requests.expire_due(now), None);
        let expired = answer.await.expect("it is told").expect_err("its time is over");
        assert!(matches!(&expired, ClientError::Unknown { request_id: Some(id), .. } if id == "ab"), "{expired}");
    }

    #[tokio::test]
    async fn deadlines_are_looked_at_when_the_first_of_them_is_due() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut answers: Vec<_> = [5, 3, 9]
            .into_iter()
            .map(|seconds| {
                let id = RequestId::fresh();
                let answer = requests.insert(Key::Frame(id), Bytes::new(), None, at(seconds)).expect("it is new");
                (requests.is_sooner(at(seconds)), id, answer)
            })
            .collect();
        assert_eq!(answers.iter().map(|(sooner, ..)| *sooner).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(requests.expire_due(at(2)), Some(at(3)));
        assert_eq!(requests.expire_due(at(5)), Some(at(9)));
        let (_, _, last) = answers.pop().expect("the third");
        for (_, id, answer) in answers {
            let error = answer.await.expect("it is told").expect_err("its time is over");
            let wanted = id.to_string();
            assert!(matches!(&error, ClientError::Unknown { request_id: Some(id), .. } if *id == wanted), "{error}");
        }
        requests.settle(Key::Call(1), Answer::Reply(Any::default()));
        assert_eq!((requests.len(), requests.expire_due(at(9)), requests.len()), (1, None, 0));
        assert!(last.await.expect("it is told").is_err());
    }
}
