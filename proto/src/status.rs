//! `google.rpc.Status`: how every refusal and failure looks on the wire.
//!
//! A status always has an `ErrorInfo` of the domain `hansard`; one that may be tried again has a `RetryInfo` too.

use std::time::Duration;

use prost::Message;
use tonic::Code;

use hansard_domain::{Refusal, RefusalKind};

pub use crate::any::{pack, unpack};
use crate::{
    any,
    rpc::{ErrorInfo, RetryInfo, Status},
};

/// The domain of all our `ErrorInfo`s.
pub const DOMAIN: &str = "hansard";

/// How long a client should wait before it tries again, when nothing better is known. Clients add jitter.
pub const DEFAULT_RETRY: Duration = Duration::from_millis(100);

/// A status with an `ErrorInfo`.
pub fn new(code: Code, reason: &str, message: impl Into<String>) -> Status {
    with_metadata(code, reason, message, [])
}

/// A status with an `ErrorInfo` that says what it speaks of, such as `("room", id)` or `("limit", "16384")`.
pub fn with_metadata<const N: usize>(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    metadata: [(&str, String); N],
) -> Status {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    Status { code: code as i32, message: message.into(), details: vec![any::pack(&info)] }
}

/// A status with an `ErrorInfo` and a `RetryInfo`.
pub fn retryable(code: Code, reason: &str, message: impl Into<String>, after: Duration) -> Status {
    add_retry(new(code, reason, message), after)
}

/// The status of a room's or meta's refusal. Those that were not decided for good may be tried again, and say so.
pub fn from_refusal(refusal: Refusal) -> Status {
    let status = new(code_of_kind(refusal.kind()), refusal.reason(), refusal.to_string());
    if refusal.kind() == RefusalKind::Aborted || matches!(refusal, Refusal::RateLimited | Refusal::RoomClosed) {
        return add_retry(status, DEFAULT_RETRY);
    }
    status
}

/// The refusal that a status stems from, if it stems from one.
pub fn refusal_of(status: &Status) -> Option<Refusal> {
    let reason = reason_of(status)?;
    Refusal::ALL.iter().copied().find(|refusal| refusal.reason() == reason)
}

const fn code_of_kind(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::PermissionDenied => Code::PermissionDenied,
        RefusalKind::FailedPrecondition => Code::FailedPrecondition,
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
        RefusalKind::Aborted => Code::Aborted,
    }
}

/// The outcome of a mutating request is unknown: the same request with the same id will tell.
pub fn unknown_outcome(message: impl Into<String>) -> Status {
    retryable(Code::Unavailable, crate::reason::OUTCOME_UNKNOWN, message, DEFAULT_RETRY)
}

/// Adds a `RetryInfo`, in the place of one that is there already.
pub fn add_retry(mut status: Status, after: Duration) -> Status {
    status.details.retain(|detail| !any::is::<RetryInfo>(detail));
    let retry_delay = prost_types::Duration::try_from(after).ok();
    status.details.push(any::pack(&RetryInfo { retry_delay }));
    status
}

/// The status's code; `Unknown` for a number that is no gRPC code.
pub fn code_of(status: &Status) -> Code {
    Code::from_i32(status.code)
}

/// The status's `ErrorInfo`, if it has one of our domain.
pub fn info_of(status: &Status) -> Option<ErrorInfo> {
    let mut infos = status.details.iter().filter_map(|detail| any::unpack::<ErrorInfo>(detail).ok());
    infos.find(|info| info.domain == DOMAIN)
}

/// The status's reason, if it has an `ErrorInfo` of our domain.
pub fn reason_of(status: &Status) -> Option<String> {
    info_of(status).map(|info| info.reason)
}

/// Whether the status has this reason.
pub fn has_reason(status: &Status, reason: &str) -> bool {
    reason_of(status).is_some_and(|found| found == reason)
}

/// How long to wait before trying again, if the status says that it may be tried again.
pub fn retry_after(status: &Status) -> Option<Duration> {
    let mut infos = status.details.iter().filter_map(|detail| any::unpack::<RetryInfo>(detail).ok());
    infos.next().map(|info| {
        let delay = info.retry_delay.unwrap_or_default();
        Duration::try_from(delay).unwrap_or(Duration::ZERO)
    })
}

/// Whether the outcome of the request is unknown, so that it must be sent again with the same id. All else is a refusal:
/// it was not and will not be done. Ours are UNAVAILABLE, DEADLINE_EXCEEDED and ABORTED; the others are what proxies and
/// broken streams leave behind.
pub fn is_unknown_outcome(status: &Status) -> bool {
    matches!(
        code_of(status),
        Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled | Code::Unknown | Code::Internal
    )
}

/// As gRPC sends it: the details travel in `grpc-status-details-bin`.
pub fn to_tonic(status: &Status) -> tonic::Status {
    tonic::Status::with_details(code_of(status), status.message.clone(), status.encode_to_vec().into())
}

/// From gRPC. Details that can't be read, and those of proxies that send none, leave the code and the message.
pub fn from_tonic(status: &tonic::Status) -> Status {
    let mut read = Status::decode(status.details()).unwrap_or_default();
    read.code = status.code() as i32;
    read.message = status.message().to_owned();
    read
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        from_refusal(refusal)
    }
}

impl From<Status> for tonic::Status {
    fn from(status: Status) -> Self {
        to_tonic(&status)
    }
}

impl From<tonic::Status> for Status {
    fn from(status: tonic::Status) -> Self {
        from_tonic(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason;

    #[test]
    fn says_why_and_when_to_try_again() {
        let after = Duration::from_millis(250);
        let status = retryable(Code::ResourceExhausted, reason::RATE_LIMITED, "slow down", after);
        assert_eq!(reason_of(&status).as_deref(), Some("RATE_LIMITED"));
        assert_eq!(retry_after(&status), Some(after));
        assert!(!is_unknown_outcome(&status));
        assert_eq!(retry_after(&add_retry(status, Duration::from_secs(9))), Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_refusal_has_no_retry() {
        let status = with_metadata(Code::NotFound, "ROOM_UNKNOWN", "no such room", [("room", "00".into())]);
        assert_eq!(retry_after(&status), None);
        assert_eq!(info_of(&status).unwrap().metadata["room"], "00");
        assert!(has_reason(&status, "ROOM_UNKNOWN"));
    }

    #[test]
    fn every_refusal_has_a_status_and_comes_back() {
        for refusal in Refusal::ALL.iter().copied() {
            let status = from_refusal(refusal);
            assert_eq!(refusal_of(&status), Some(refusal));
            assert_eq!(status.message, refusal.to_string());
            let again = refusal.kind() == RefusalKind::Aborted;
            assert_eq!(is_unknown_outcome(&status), again, "{refusal:?}");
            assert!(!again || retry_after(&status).is_some(), "{refusal:?}");
        }
    }

    #[test]
    fn survives_grpc() {
        let status = unknown_outcome("the leader went away");
        let carried = to_tonic(&status);
        assert_eq!(carried.code(), Code::Unavailable);
        let back = from_tonic(&carried);
        assert_eq!(back, status);
        assert!(is_unknown_outcome(&back));
    }

    #[test]
    fn reads_what_proxies_send() {
        let bare = tonic::Status::unavailable("connection reset");
        let status = from_tonic(&bare);
        assert_eq!(reason_of(&status), None);
        assert!(is_unknown_outcome(&status));
        let broken = tonic::Status::with_details(Code::NotFound, "x", vec![0xff, 0xff].into());
        assert_eq!(from_tonic(&broken).code, Code::NotFound as i32);
    }

    #[test]
    fn ignores_details_of_others() {
        let foreign = ErrorInfo { reason: "QUOTA".into(), domain: "example.com".into(), ..ErrorInfo::default() };
        let status = Status { code: 8, message: String::new(), details: vec![any::pack(&foreign)] };
        assert_eq!(reason_of(&status), None);
    }
}
