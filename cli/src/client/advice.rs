//! What to do about a failure, beside what it was.

use hansard_client::ClientError;

/// Advice for the person at the keyboard, where there is some.
pub(crate) fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let error = error.downcast_ref::<ClientError>()?;
    Some(match error {
        ClientError::Unreachable(_) => "check --router (or HANSARD_ROUTER), and that the router runs",
        ClientError::Unknown { .. } => "look whether it happened (`hansard history`) before you do it again",
        _ => match error.reason()? {
            "ROOM_UNKNOWN" => {
                "see `hansard room list`; private rooms show to their members only: ask for an invitation"
            }
            "NOT_MEMBER" => "enter it with `hansard room join`, or ask an owner for an invitation",
            "REMOVED" => "an owner has to invite you again",
            "LAST_OWNER" => "make somebody else an owner first: `hansard room role ROOM PERSON owner`",
            "NOT_ALLOWED" => "your role does not allow it; an owner can do it, or change your role",
            "OPERATOR_ONLY" => "use a token with the role \"operator\"",
            "TOKEN_EXPIRED" | "TOKEN_REVOKED" | "TOKEN_INVALID" | "TOKEN_MISSING" => {
                "give a good one with --token, HANSARD_TOKEN or HANSARD_TOKEN_FILE"
            }
            "STORAGE_FULL" => "the cluster's disks are nearly full: tell its operators",
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use hansard_client::Detail;

    use super::*;

    #[test]
    fn knows_what_to_do_about_the_usual_failures() {
        let refused = |reason: &str| {
            let detail = Detail { reason: reason.into(), ..Detail::default() };
            anyhow::Error::new(ClientError::Refused(Box::new(detail)))
        };
        assert!(advice(&refused("NOT_MEMBER")).unwrap().contains("room join"));
        assert!(advice(&refused("SOMETHING_NEW")).is_none());
        assert!(advice(&anyhow::anyhow!("x")).is_none());
    }
}
