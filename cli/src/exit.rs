//! How the process ends. The numbers are part of the interface; scripts rely on them.

use std::process::ExitCode;

use hansard_client::ClientError;

/// The table at the end of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0   done
  1   something went wrong here: a file, the configuration, a bug
  2   the command line makes no sense
  3   refused: it was not done, and repeating it gives the same answer
  4   unknown: it may or may not have been done; repeat it with --request-id and the id that was printed
  5   not admitted: the token is missing, forged, expired or revoked
  6   no such room, person, node or shard
  7   no router can be reached
  99  a load test missed a threshold";

/// gRPC's code for what does not exist.
const NOT_FOUND: i32 = 5;

/// An outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Something went wrong here.
    Error = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// It was not done and will not be.
    Refused = 3,
    /// It may have been done.
    Unknown = 4,
    /// The token does not count.
    NotAdmitted = 5,
    /// There is no such thing.
    NotFound = 6,
    /// No router answers.
    Unreachable = 7,
    /// A load test broke a promise or a threshold.
    Threshold = 99,
}

impl Exit {
    /// What an error means for the exit code.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.exit;
        }
        match error.downcast_ref::<ClientError>() {
            Some(ClientError::Refused(detail)) if detail.code == NOT_FOUND => Self::NotFound,
            Some(ClientError::Refused(_)) => Self::Refused,
            Some(ClientError::Unknown { .. }) => Self::Unknown,
            Some(ClientError::Unauthenticated(_)) => Self::NotAdmitted,
            Some(ClientError::Unreachable(_)) => Self::Unreachable,
            Some(ClientError::Invalid(_)) => Self::Usage,
            _ => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use hansard_client::Detail;

    use super::*;

    #[test]
    fn errors_end_with_the_documented_codes() {
        let of = |error: anyhow::Error| Exit::of(&error) as u8;
        let detail = |code| Box::new(Detail { code, ..Detail::default() });
        assert_eq!(of(anyhow::anyhow!("x")), 1);
        assert_eq!(of(Failure::usage("x").into()), 2);
        assert_eq!(of(ClientError::Refused(detail(7)).into()), 3);
        assert_eq!(of(ClientError::Unknown { detail: detail(14), request_id: None }.into()), 4);
        assert_eq!(of(ClientError::Unauthenticated(detail(16)).into()), 5);
        assert_eq!(of(ClientError::Refused(detail(5)).into()), 6);
        assert_eq!(of(anyhow::Error::new(ClientError::Unreachable("x".into())).context("while sending")), 7);
        for code in 0..=7 {
            assert!(HELP.contains(&format!("\n  {code} ")), "exit code {code} is not documented");
        }
    }
}
