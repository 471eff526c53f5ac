//! What each frame of an open session does.

use hansard_domain::limits::{MAX_FOLLOWS, MAX_HELLO_CURSORS};
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_proto::v1::connect_request::Frame as Asked;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{
    Availability, Call, Follow, Hello, Pong, Presence, ReadMark, Refusal, Reply, Send, SetPresence, SetReadMark,
    Typing, reply,
};
use tonic::Code;

use super::{Effect, Open};
use crate::connection::Soft;
use crate::limits::{MAX_AGENT_BYTES, MAX_CALLS, MAX_SENDS, MAX_TOKEN_BYTES};
use crate::proposal::Proposal;
use crate::refuse::{Fault, field, overloaded, too_long, unauthenticated};
use crate::{convert, fields, proposals, reason};

/// Whether a hello may be looked at further.
pub(super) fn check_hello(hello: &Hello) -> Result<(), Status> {
    if hello.token.is_empty() {
        return Err(unauthenticated(reason::TOKEN_MISSING, "`hello` needs a token"));
    }
    if hello.token.len() > MAX_TOKEN_BYTES {
        return Err(unauthenticated(reason::TOKEN_INVALID, "the token is too long to be one"));
    }
    let (agent, cursors) = (hello.agent.len(), hello.cursors.len());
    if agent > MAX_AGENT_BYTES {
        return Err(too_long(reason::AGENT_TOO_LONG, "agent", agent, MAX_AGENT_BYTES, "bytes").into_status());
    }
    if cursors > MAX_HELLO_CURSORS {
        return Err(too_long(reason::TOO_MANY_CURSORS, "cursors", cursors, MAX_HELLO_CURSORS, "items").into_status());
    }
    Ok(())
}

impl Open {
    pub(super) fn on_frame(&mut self, frame: Asked, out: &mut Vec<Effect>) {
        match frame {
            Asked::Send(send) => self.send(&send, out),
            Asked::ReadMark(mark) => self.read_mark(&mark, out),
            Asked::Follow(follow) => self.follow(follow, out),
            Asked::Unfollow(unfollow) => match fields::room(&unfollow.room) {
                Ok(room) => self.follows.stop(room, out),
                Err(fault) => refused("", &unfollow.room, fault, out),
            },
            Asked::Typing(typing) => match fields::room(&typing.room) {
                // Only those who may read a room may type there; a follow that is live shows it.
                Ok(room) if self.follows.is_live(room) => out.push(Effect::Typing(room)),
                Ok(_) => {}
                Err(fault) => refused("", &typing.room, fault, out),
            },
            Asked::Presence(presence) => set_presence(&presence, out),
            Asked::Ping(ping) => out.push(Effect::Send(Box::new(Frame::Pong(Pong { nonce: ping.nonce })))),
            Asked::Call(call) => self.call(call, out),
            Asked::Hello(_) => unreachable!("the session takes hellos itself"),
        }
    }

    pub(super) fn follow(&mut self, follow: Follow, out: &mut Vec<Effect>) {
        let room = match fields::room(&follow.room) {
            Ok(room) => room,
            Err(fault) => return refused("", &follow.room, fault, out),
        };
        if !self.follows.start(room, follow.after_seq, follow.from_now, out) {
            let text = format!("a session follows at most {MAX_FOLLOWS} rooms; unfollow some, or open another session");
            let limit = [("limit", MAX_FOLLOWS.to_string())];
            let status = status::with_metadata(Code::ResourceExhausted, reason::TOO_MANY_FOLLOWS, text, limit);
            refused("", &follow.room, Fault::Here(status), out);
        }
    }

    /// The frame for soft state, if this session is to see it.
    pub(super) fn soft(&self, soft: Soft) -> Option<Frame> {
        let own = self.admission.principal.person;
        match soft {
            Soft::Typing { room, person } => (person != own && self.follows.is_live(room))
                .then(|| Frame::Typing(Typing { room: room.to_string(), person: person.to_string() })),
            Soft::Presence { person, availability, answer_at_s } => Some(Frame::Presence(Presence {
                person: person.to_string(),
                availability,
                answer_at: (answer_at_s != 0).then(|| convert::timestamp_s(answer_at_s)),
            })),
            Soft::ReadMark { room, seq } => Some(Frame::ReadMark(ReadMark { room: room.to_string(), seq })),
        }
    }

    fn send(&mut self, send: &Send, out: &mut Vec<Effect>) {
        self.propose(proposals::send(&send.request_id, &send.room, &send.text), &send.request_id, &send.room, out);
    }

    fn read_mark(&mut self, mark: &SetReadMark, out: &mut Vec<Effect>) {
        self.propose(proposals::mark_read(&mark.request_id, &mark.room, mark.seq), &mark.request_id, &mark.room, out);
    }

    fn propose(&mut self, proposal: Result<Proposal, Fault>, request_id: &str, room: &str, out: &mut Vec<Effect>) {
        match proposal.and_then(|proposal| self.take_in(proposal)) {
            Ok(proposal) => out.push(Effect::Propose(proposal)),
            Err(fault) => refused(request_id, room, fault, out),
        }
    }

    /// A send that is all right as it is.
    pub(super) fn on_send(&mut self, proposal: Proposal, out: &mut Vec<Effect>) {
        let (request, room) = (proposal.request, proposal.room);
        match self.take_in(proposal) {
            Ok(proposal) => out.push(Effect::Propose(proposal)),
            Err(fault) => refused(&request.to_string(), &room.to_string(), fault, out),
        }
    }

    fn take_in(&mut self, proposal: Proposal) -> Result<Proposal, Fault> {
        if self.sends >= MAX_SENDS {
            return Err(Fault::Here(overloaded("sends and read marks of a session", MAX_SENDS)));
        }
        self.sends += 1;
        Ok(proposal)
    }

    fn call(&mut self, call: Call, out: &mut Vec<Effect>) {
        if self.calls >= MAX_CALLS {
            let status = overloaded("calls of a session", MAX_CALLS);
            out.push(Effect::Refused(status.clone()));
            let outcome = Some(reply::Outcome::Status(status));
            out.push(Effect::Send(Box::new(Frame::Reply(Reply { id: call.id, outcome }))));
            return;
        }
        self.calls += 1;
        out.push(Effect::Call(call));
    }
}

fn set_presence(presence: &SetPresence, out: &mut Vec<Effect>) {
    match Availability::try_from(presence.availability) {
        Ok(Availability::Unspecified) | Err(_) => {
            let fault = field(reason::INVALID_ARGUMENT, "availability", "`availability` must be one of the known ones");
            refused("", "", fault, out);
        }
        Ok(availability) => out.push(Effect::Presence {
            availability: availability.into(),
            answer_at_s: presence.answer_at.map_or(0, |at| at.seconds),
        }),
    }
}

/// Refuses a frame with a status of this router.
pub(super) fn refuse(frame: &Asked, status: Status, out: &mut Vec<Effect>) {
    let (request_id, room) = match frame {
        Asked::Call(call) => {
            out.push(Effect::Refused(status.clone()));
            let outcome = Some(reply::Outcome::Status(status));
            return out.push(Effect::Send(Box::new(Frame::Reply(Reply { id: call.id, outcome }))));
        }
        Asked::Send(send) => (send.request_id.as_str(), send.room.as_str()),
        Asked::ReadMark(mark) => (mark.request_id.as_str(), mark.room.as_str()),
        Asked::Follow(follow) => ("", follow.room.as_str()),
        Asked::Unfollow(unfollow) => ("", unfollow.room.as_str()),
        Asked::Typing(_) | Asked::Presence(_) | Asked::Ping(_) | Asked::Hello(_) => ("", ""),
    };
    refused(request_id, room, Fault::Here(status), out);
}

/// Refuses a send that is all right with a status of this router.
pub(super) fn refuse_send(send: &Proposal, status: Status, out: &mut Vec<Effect>) {
    refused(&send.request.to_string(), &send.room.to_string(), Fault::Here(status), out);
}

fn refused(request_id: &str, room: &str, fault: Fault, out: &mut Vec<Effect>) {
    let status = fault.into_status();
    out.push(Effect::Refused(status.clone()));
    let refusal = Refusal { request_id: request_id.to_owned(), room: room.to_owned(), status: Some(status) };
    out.push(Effect::Send(Box::new(Frame::Refusal(refusal))));
}
