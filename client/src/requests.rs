//! Requests under way: sends and calls, each kept until its outcome is known.

use std::{collections::HashMap, time::Duration};

use hansard_proto::{
    rpc::Status,
    status,
    v1::{Ack, ConnectRequest, connect_request::Frame},
};
use prost_types::Any;
use tokio::sync::oneshot;

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
    Ack(Ack),
    Reply(Any),
}

/// An answer, and how often the request was sent for it.
pub(crate) type Outcome = Result<(Answer, u32), ClientError>;

struct Pending {
    frame: Frame,
    reply: oneshot::Sender<Outcome>,
    /// What to repeat the intent with, for errors.
    request_id: Option<String>,
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
}

impl Requests {
    /// Keeps a request until it is settled or given up. Refused when the same one is under way already.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        frame: Frame,
        request_id: Option<String>,
    ) -> Result<oneshot::Receiver<Outcome>, ClientError> {
        if self.pending.contains_key(&key) {
            return Err(ClientError::Invalid("a request with this id is under way already".into()));
        }
        let (reply, answer) = oneshot::channel();
        self.made += 1;
        self.pending.insert(key, Pending { frame, reply, request_id, order: self.made, sent: 0, last: None });
        Ok(answer)
    }

    /// The frame to send for a request, if it is still wanted.
    pub(crate) fn render(&mut self, key: Key) -> Option<ConnectRequest> {
        let pending = self.pending.get_mut(&key)?;
        pending.sent += 1;
        Some(ConnectRequest { frame: Some(pending.frame.clone()) })
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
        let _ = pending.reply.send(Err(ClientError::from_status(&error, pending.request_id)));
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

    /// The deadline passed: what is known of the outcome.
    pub(crate) fn expire(&mut self, key: Key) -> ClientError {
        match self.pending.remove(&key) {
            // Whatever the newest attempt came to, an earlier one may be under way still.
            Some(Pending { last: Some(status), request_id, .. }) => {
                ClientError::Unknown { detail: Box::new(Detail::of(&status)), request_id }
            }
            Some(Pending { sent: 0, request_id, .. }) => {
                unknown("NOT_SENT", "no session stood before the deadline", request_id)
            }
            Some(Pending { request_id, .. }) => {
                unknown("DEADLINE_EXCEEDED", "no answer before the deadline", request_id)
            }
            None => ClientError::Closed,
        }
    }

    /// All requests, in the order in which they were made.
    pub(crate) fn keys_in_order(&self) -> Vec<Key> {
        let mut keys: Vec<_> = self.pending.iter().map(|(key, pending)| (pending.order, *key)).collect();
        keys.sort_unstable_by_key(|(order, _)| *order);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// The client ends. What was never sent fails with the cause; the rest is unknown.
    pub(crate) fn end(&mut self, cause: &ClientError) {
        for (_, pending) in self.pending.drain() {
            let error = match pending.sent {
                0 => cause.clone(),
                _ => unknown("SESSION_ENDED", &cause.to_string(), pending.request_id),
            };
            let _ = pending.reply.send(Err(error));
        }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }
}

fn unknown(reason: &str, message: &str, request_id: Option<String>) -> ClientError {
    ClientError::Unknown { detail: Box::new(Detail::local(reason, message)), request_id }
}

#[cfg(test)]
mod tests {
    use hansard_proto::v1::Ping;
    use tonic::Code;

    use super::*;

    #[test]
    fn a_deadline_after_a_retryable_answer_leaves_the_outcome_unknown() {
        let (mut requests, key) = (Requests::default(), Key::Call(1));
        let _answer = requests.insert(key, Frame::Ping(Ping { nonce: 1 }), Some("ab".to_owned())).expect("it is new");
        requests.render(key);
        let busy = status::retryable(Code::ResourceExhausted, "OVERLOADED", "busy", Duration::from_millis(1));
        assert!(requests.fail(key, busy).is_some());
        let expired = requests.expire(key);
        assert!(matches!(&expired, ClientError::Unknown { request_id: Some(id), .. } if id == "ab"), "{expired}");
    }
}
