//! What to do about a failure, beside what it was.

use hansard_client::ClientError;
use hansard_domain::Refusal;
use hansard_proto::reason;

/// Advice for the person at the keyboard, where there is some.
pub(crate) fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let error = error.downcast_ref::<ClientError>()?;
    Some(match error {
        ClientError::Unreachable(_) => "check --router (or HANSARD_ROUTER), and that the router runs",
        ClientError::Unknown { request_id: Some(_), .. } => {
            "repeat the command with --request-id and this id: it has one effect, however often it is repeated"
        }
        ClientError::Unknown { .. } => "try it again: it changes nothing",
        _ => of_reason(error.reason()?)?,
    })
}

fn of_reason(name: &str) -> Option<&'static str> {
    if let Some(refusal) = Refusal::ALL.iter().find(|known| known.reason() == name) {
        return of_refusal(*refusal);
    }
    Some(match name {
        reason::TOKEN_EXPIRED | reason::TOKEN_REVOKED | reason::TOKEN_INVALID | reason::TOKEN_MISSING => {
            "give a good one with --token, HANSARD_TOKEN or HANSARD_TOKEN_FILE"
        }
        reason::STORAGE_FULL => "the cluster's disks are nearly full: tell its operators",
        _ => return None,
    })
}

fn of_refusal(refusal: Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::RoomUnknown => {
            "see `hansard room list`; private rooms show to their members only: ask for an invitation"
        }
        Refusal::NotMember => "enter it with `hansard room join`, or ask an owner for an invitation",
        Refusal::Removed => "an owner has to invite you again",
        Refusal::LastOwner => "make somebody else an owner first: `hansard room role ROOM PERSON owner`",
        Refusal::NotAllowed => "your role does not allow it; an owner can do it, or change your role",
        Refusal::NotOperator => "use a token with the role \"operator\"",
        _ => return None,
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
        assert!(advice(&refused("NOT_OPERATOR")).unwrap().contains("role \"operator\""));
        assert!(advice(&refused("STORAGE_FULL")).unwrap().contains("operators"));
        assert!(advice(&refused("SOMETHING_NEW")).is_none());
        let unknown = |request_id| ClientError::Unknown { detail: Box::default(), request_id };
        assert!(advice(&unknown(Some("ab".into())).into()).unwrap().contains("--request-id"));
        assert!(!advice(&unknown(None).into()).unwrap().contains("--request-id"));
        assert!(advice(&anyhow::anyhow!("x")).is_none());
    }
}
