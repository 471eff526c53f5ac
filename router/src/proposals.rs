//! Requests for changes in rooms, checked and made into proposals.

use bytes::Bytes;
use hansard_domain::{Action, Content};
use hansard_proto::hot::SendFrame;

use crate::fields;
use crate::proposal::Proposal;
use crate::refuse::Fault;

/// Says something, in a frame that is plain; `None` if there is something wrong with the text.
pub(crate) fn send_of(send: &SendFrame<'_>) -> Option<Proposal> {
    let SendFrame { request, room, text } = *send;
    let content = Content::text_bytes(fields::text(text).ok()?);
    Some(Proposal { request, room, action: Action::SendMessage { room }, content })
}

/// Says something.
pub(crate) fn send(request: &str, room: &str, text: &str) -> Result<Proposal, Fault> {
    let (request, room) = (fields::request(request)?, fields::room(room)?);
    let content = Content::text_bytes(fields::text(text)?);
    Ok(Proposal { request, room, action: Action::SendMessage { room }, content })
}

/// Moves the read mark.
pub(crate) fn mark_read(request: &str, room: &str, seq: u64) -> Result<Proposal, Fault> {
    let (request, room) = (fields::request(request)?, fields::room(room)?);
    let seq = fields::seq("seq", seq)?;
    Ok(Proposal { request, room, action: Action::MarkRead { room, seq }, content: Bytes::new() })
}

/// Content that is only a reason; none if it is empty.
pub(crate) fn because(why: &str) -> Result<Bytes, Fault> {
    let reason = fields::why(why)?;
    let content = Content { reason: (!reason.is_empty()).then(|| reason.to_owned()), ..Content::default() };
    Ok(content.encode())
}
