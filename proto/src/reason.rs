//! The reasons in `ErrorInfo` that do not stem from a room's rules (those are `hansard_domain::Refusal::reason`).
//!
//! A reason is part of the client contract: it is never renamed, and `docs/protocol.md` lists them all.

/// A frame or request is not what its type says, or a field breaks a bound.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// A frame is larger than `domain::limits::MAX_FRAME_BYTES`.
pub const FRAME_TOO_LARGE: &str = "FRAME_TOO_LARGE";
/// A frame came at the wrong time, such as a second hello.
pub const FRAME_OUT_OF_ORDER: &str = "FRAME_OUT_OF_ORDER";
/// No hello came in time.
pub const HELLO_MISSING: &str = "HELLO_MISSING";
/// A call's method does not exist.
pub const METHOD_UNKNOWN: &str = "METHOD_UNKNOWN";
/// The token is missing.
pub const TOKEN_MISSING: &str = "TOKEN_MISSING";
/// The token is not signed by a key that is trusted, or is no token.
pub const TOKEN_INVALID: &str = "TOKEN_INVALID";
/// The token has expired; a new one is needed.
pub const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";
/// The token was revoked.
pub const TOKEN_REVOKED: &str = "TOKEN_REVOKED";
/// The token is for another audience.
pub const TOKEN_WRONG_AUDIENCE: &str = "TOKEN_WRONG_AUDIENCE";
/// The token is of another issuer.
pub const TOKEN_WRONG_ISSUER: &str = "TOKEN_WRONG_ISSUER";
/// The person follows as many rooms as a session may.
pub const TOO_MANY_FOLLOWS: &str = "TOO_MANY_FOLLOWS";
/// The person sends faster than the router allows.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// A queue is full; nothing was done.
pub const OVERLOADED: &str = "OVERLOADED";
/// The router or node is draining; connect elsewhere.
pub const DRAINING: &str = "DRAINING";
/// The router's news of revocations is stale, so it admits nobody.
pub const DIRECTORY_STALE: &str = "DIRECTORY_STALE";
/// The shard's leader is not known now.
pub const NO_LEADER: &str = "NO_LEADER";
/// Inside the cluster: nothing was done, this node does not lead the shard.
pub const NOT_LEADER: &str = "NOT_LEADER";
/// Inside the cluster: nothing was done, the caller's placement is too old.
pub const STALE_EPOCH: &str = "STALE_EPOCH";
/// Inside the cluster: the caller's news of the person is older than the node's.
pub const PERSON_EPOCH_STALE: &str = "PERSON_EPOCH_STALE";
/// The outcome is unknown: send again with the same request id.
pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
/// The deadline passed; the outcome is unknown: send again with the same request id.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// The node's disk is nearly full; it takes no more messages.
pub const STORAGE_FULL: &str = "STORAGE_FULL";
/// A fault of the server's.
pub const INTERNAL: &str = "INTERNAL";
