//! How the router says no.

use std::time::Duration;

use hansard_proto::rpc::Status;
use hansard_proto::status;
use tonic::Code;

use crate::reason;

/// Why a request of an authenticated person came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// This router refused it; the person's home shard keeps an account of that.
    Here(Status),
    /// A node refused it, which keeps its own account, or its outcome is unknown.
    There(Status),
}

impl Fault {
    /// What the client is told.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Here(status) | Self::There(status) => status,
        }
    }
}

/// A field breaks a rule.
pub(crate) fn field(reason: &str, field: &str, message: impl Into<String>) -> Fault {
    let metadata = [("field", field.to_owned())];
    Fault::Here(status::with_metadata(Code::InvalidArgument, reason, message, metadata))
}

/// A field is longer than `limit` (of `unit`).
pub(crate) fn too_long(reason: &str, name: &str, found: usize, limit: usize, unit: &str) -> Fault {
    let metadata = [("field", name.to_owned()), ("limit", limit.to_string()), ("found", found.to_string())];
    let message = format!("`{name}` has {found} {unit}; at most {limit} are taken");
    Fault::Here(status::with_metadata(Code::InvalidArgument, reason, message, metadata))
}

/// Too much at once; nothing was done.
pub(crate) fn overloaded(what: &str, limit: usize) -> Status {
    let text = format!("{what}: at most {limit} may be under way; nothing was done, try again shortly");
    let full = status::with_metadata(Code::ResourceExhausted, reason::OVERLOADED, text, [("limit", limit.to_string())]);
    status::add_retry(full, status::DEFAULT_RETRY)
}

/// Too fast; nothing was done.
pub(crate) fn rate_limited(wait: Duration) -> Status {
    let wait = wait.max(Duration::from_millis(1));
    status::retryable(Code::ResourceExhausted, reason::RATE_LIMITED, "too many requests; nothing was done", wait)
}

/// The token is not good enough.
pub(crate) fn unauthenticated(reason: &str, message: &str) -> Status {
    status::new(Code::Unauthenticated, reason, message)
}

/// The router cannot serve now.
pub(crate) fn unavailable(reason: &str, message: impl Into<String>) -> Status {
    status::retryable(Code::Unavailable, reason, message, Duration::from_secs(1))
}

/// A node answered with something else than what was asked for.
pub(crate) fn wrong_answer() -> Fault {
    Fault::There(status::new(Code::Internal, reason::INTERNAL, "a node's answer does not fit the call"))
}

/// The client's frame cannot be taken at all.
pub(crate) fn frame(reason: &str, message: impl Into<String>) -> Status {
    status::new(Code::InvalidArgument, reason, message)
}
