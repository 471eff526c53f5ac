//! Requests for changes in rooms, checked and made into proposals.

use bytes::Bytes;
use hansard_domain::{Action, Content};

use crate::fields;
use crate::proposal::Proposal;
use crate::refuse::Fault;

/// Says something.
pub(crate) fn send(request: &str, room: &str, text: &str) -> Result<Proposal, Fault> {
    let (request, room) = (fields::request(request)?, fields::room(room)?);
    let content = Content::text(fields::text(text)?).encode();
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
