//! The reasons that only the router gives; the others are in `hansard_proto::reason`.

pub(crate) use hansard_proto::reason::*;

/// The first frame was not a hello.
pub(crate) const HELLO_EXPECTED: &str = "HELLO_EXPECTED";
/// A frame that is neither ProtoJSON nor protobuf of a `ConnectRequest`, or holds nothing.
pub(crate) const FRAME_MALFORMED: &str = "FRAME_MALFORMED";
/// A client sent too many malformed frames.
pub(crate) const TOO_MANY_MALFORMED: &str = "TOO_MANY_MALFORMED";
/// A client was silent for too long.
pub(crate) const IDLE: &str = "IDLE";
/// A client took nothing for too long, or too little of what waited for it.
pub(crate) const CLIENT_STALLED: &str = "CLIENT_STALLED";
/// A unary call's body took too long to come.
pub(crate) const BODY_TOO_SLOW: &str = "BODY_TOO_SLOW";
/// The answer to a call is larger than any frame that is sent.
pub(crate) const REPLY_TOO_LARGE: &str = "REPLY_TOO_LARGE";
/// The router or the person has too many sessions.
pub(crate) const TOO_MANY_SESSIONS: &str = "TOO_MANY_SESSIONS";
/// A hello has too many cursors.
pub(crate) const TOO_MANY_CURSORS: &str = "TOO_MANY_CURSORS";
/// A hello's agent is too long.
pub(crate) const AGENT_TOO_LONG: &str = "AGENT_TOO_LONG";
/// A room's, person's or node's id is not one.
pub(crate) const BAD_ID: &str = "BAD_ID";
/// A request id is missing or is not 128 bits.
pub(crate) const BAD_REQUEST_ID: &str = "BAD_REQUEST_ID";
/// A text is empty.
pub(crate) const TEXT_EMPTY: &str = "TEXT_EMPTY";
/// A text is too long.
pub(crate) const TEXT_TOO_LONG: &str = "TEXT_TOO_LONG";
/// A name is empty, too long, or has control characters.
pub(crate) const BAD_NAME: &str = "BAD_NAME";
/// A topic is too long.
pub(crate) const TOPIC_TOO_LONG: &str = "TOPIC_TOO_LONG";
/// A reason is too long.
pub(crate) const REASON_TOO_LONG: &str = "REASON_TOO_LONG";
/// A subject is empty or too long.
pub(crate) const BAD_SUBJECT: &str = "BAD_SUBJECT";
/// A role is none that can be given.
pub(crate) const BAD_ROLE: &str = "BAD_ROLE";
/// A visibility is none that can be chosen.
pub(crate) const BAD_VISIBILITY: &str = "BAD_VISIBILITY";
/// A page size, an age or a page token is not one that is taken, or a page is asked for both ways.
pub(crate) const BAD_PAGE: &str = "BAD_PAGE";
/// A seq is 0 where there must be one.
pub(crate) const BAD_SEQ: &str = "BAD_SEQ";
/// A list has too many items.
pub(crate) const TOO_MANY_ITEMS: &str = "TOO_MANY_ITEMS";
/// A direct room needs another person.
pub(crate) const DIRECT_WITH_SELF: &str = "DIRECT_WITH_SELF";
/// A cursor is above the room's newest seq: it belongs to another room or another cluster.
pub(crate) const CURSOR_AHEAD: &str = "CURSOR_AHEAD";
/// The person's membership ended; nothing after that entry is shown.
pub(crate) const MEMBERSHIP_ENDED: &str = "MEMBERSHIP_ENDED";
/// A page of history is not contiguous; a fault of the server's that must be reported.
pub(crate) const HISTORY_HOLE: &str = "HISTORY_HOLE";
/// There is no person with this id, or none who is known by this subject.
pub(crate) const PERSON_UNKNOWN: &str = "PERSON_UNKNOWN";
