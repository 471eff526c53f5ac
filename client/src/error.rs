//! How a call can fail.

use std::collections::BTreeMap;

use hansard_proto::{rpc::Status, status};
use tonic::Code;

/// What a server said about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// A constant such as `ROOM_UNKNOWN`; the gRPC code's name where the server gave none.
    pub reason: String,
    /// For people, in English.
    pub message: String,
    /// What the reason speaks of, such as `room` or `limit`.
    pub metadata: BTreeMap<String, String>,
    /// The gRPC code, such as `NOT_FOUND` = 5.
    pub code: i32,
}

/// Why something was not done, or is not known to have been done.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It was not done and will not be: sending it again gives the same answer.
    #[error("refused ({}): {}", .0.reason, .0.message)]
    Refused(Box<Detail>),
    /// It may or may not have been done. Repeating it with the same request id will tell.
    #[error("the outcome is unknown ({}): {}; try again with request id {}", .detail.reason, .detail.message, .request_id.as_deref().unwrap_or("unchanged"))]
    Unknown {
        /// The newest cause.
        detail: Box<Detail>,
        /// What to repeat it with, if the call has one.
        request_id: Option<String>,
    },
    /// The token is missing, forged, expired or revoked. A new one is needed.
    #[error("not admitted ({}): {}; get a new token", .0.reason, .0.message)]
    Unauthenticated(Box<Detail>),
    /// No router could be reached within the connect deadline.
    #[error("no router can be reached: {0}")]
    Unreachable(String),
    /// The client was closed before the answer came.
    #[error("the client is closed")]
    Closed,
    /// The server said something that this client does not understand.
    #[error("protocol error: {0}; are client and server of versions that fit?")]
    Protocol(String),
    /// What was asked for makes no sense; nothing was sent.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl ClientError {
    /// The reason constant, where a server gave one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(detail) | Self::Unauthenticated(detail) | Self::Unknown { detail, .. } => {
                Some(&detail.reason)
            }
            _ => None,
        }
    }

    /// A typed error from a status. `request_id` is what an unknown outcome is to be repeated with.
    pub(crate) fn from_status(status: &Status, request_id: Option<String>) -> Self {
        let detail = Box::new(Detail::of(status));
        if status::code_of(status) == Code::Unauthenticated {
            Self::Unauthenticated(detail)
        } else if status::is_unknown_outcome(status) {
            Self::Unknown { detail, request_id }
        } else {
            Self::Refused(detail)
        }
    }
}

impl Detail {
    pub(crate) fn of(status: &Status) -> Self {
        let info = status::info_of(status).unwrap_or_default();
        let code = status::code_of(status);
        let reason = if info.reason.is_empty() { code_name(code).to_owned() } else { info.reason };
        Self {
            reason,
            message: status.message.clone(),
            metadata: info.metadata.into_iter().collect(),
            code: status.code,
        }
    }

    pub(crate) fn local(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into(), code: Code::Unavailable as i32, ..Self::default() }
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Whether the same request should be sent again: its outcome is unknown, or the server says when to try again.
pub(crate) fn is_retryable(status: &Status) -> bool {
    status::is_unknown_outcome(status) || status::retry_after(status).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_refused_unknown_and_unauthenticated_apart() {
        let refused = ClientError::from_status(&status::new(Code::NotFound, "ROOM_UNKNOWN", "no such room"), None);
        assert!(matches!(&refused, ClientError::Refused(_)));
        assert_eq!(refused.reason(), Some("ROOM_UNKNOWN"));
        let unknown = ClientError::from_status(&status::unknown_outcome("leader gone"), Some("ab".into()));
        assert!(unknown.to_string().ends_with("try again with request id ab"), "{unknown}");
        let forged = ClientError::from_status(&status::new(Code::Unauthenticated, "TOKEN_INVALID", "forged"), None);
        assert!(matches!(forged, ClientError::Unauthenticated(_)));
    }

    #[test]
    fn a_bare_status_still_has_a_reason() {
        let bare = Status { code: Code::PermissionDenied as i32, message: "no".into(), details: Vec::new() };
        assert_eq!(ClientError::from_status(&bare, None).reason(), Some("PERMISSION_DENIED"));
        assert!(!is_retryable(&bare));
    }
}
