//! A session's calls that have not started: they wait until what they are answered with has room.

use std::collections::VecDeque;

use hansard_proto::v1::Call;

use crate::limits::{CALL_RESERVE, OUTBOUND_HARD_BYTES};
use crate::unary;

/// See the module. Bounded by what a session may have under way.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: VecDeque<Call>,
    /// Those with long answers, which hold up no others.
    long: VecDeque<Call>,
    /// Bytes that those under way are expected to be answered with.
    reserved: usize,
}

impl Calls {
    /// Adds a call.
    pub(super) fn push(&mut self, call: Call) {
        let long = unary::answers_at_length(&call.method);
        if long { &mut self.long } else { &mut self.waiting }.push_back(call);
    }

    /// The next call that may start while so many bytes wait for the client, and what is reserved for its answer.
    pub(super) fn start(&mut self, outbound: usize) -> Option<(Call, usize)> {
        if outbound >= OUTBOUND_HARD_BYTES {
            return None;
        }
        if let Some(call) = self.waiting.pop_front() {
            return Some((call, 0));
        }
        if outbound + self.reserved >= OUTBOUND_HARD_BYTES {
            return None;
        }
        let call = self.long.pop_front()?;
        self.reserved += CALL_RESERVE;
        Some((call, CALL_RESERVE))
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, reserve: usize) {
        self.reserved -= reserve;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_wait_for_room_and_other_calls_do_not_wait_for_each_other() {
        let call = |method: &str| Call { method: method.into(), ..Call::default() };
        let mut calls = Calls::default();
        for _ in 0..32 {
            calls.push(call("hansard.v1.MessageService/ListHistory"));
            calls.push(call("hansard.v1.PersonService/GetPeople"));
        }
        for _ in 0..64 {
            calls.push(call("hansard.v1.RoomService/JoinRoom"));
        }
        assert!(calls.start(OUTBOUND_HARD_BYTES).is_none(), "there is no room for anything");
        for _ in 0..64 {
            assert_eq!(calls.start(0).unwrap().1, 0);
        }
        let at_once = std::iter::from_fn(|| calls.start(0)).count();
        assert_eq!(at_once, OUTBOUND_HARD_BYTES / CALL_RESERVE);
        calls.push(call("hansard.v1.RoomService/JoinRoom"));
        assert_eq!(calls.start(0).unwrap().1, 0, "lists that wait hold up no other call");
        calls.answered(CALL_RESERVE);
        assert!(calls.start(CALL_RESERVE).is_none(), "the answer has taken the place");
        assert!(calls.start(CALL_RESERVE - 1).is_some());
    }
}
