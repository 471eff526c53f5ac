//! Nobody is refused without a reason that can be.

use super::{Evidence, History};
use crate::{
    history::{Deed, Outcome},
    layout::stays,
};

pub(super) fn check(history: &History, _: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for done in history.done.iter().filter(|done| done.reuses.is_none()) {
        let Some((_, Outcome::Refused(reason))) = &done.ended else { continue };
        // What is refused to those who come and go depends on where they are.
        let outside = !stays(done.client) && ["NOT_MEMBER", "REMOVED", "ROOM_UNKNOWN"].contains(&reason.as_str());
        let fits = match done.deed {
            Deed::Edit(_) | Deed::Redact(_) => reason == "TARGET_REDACTED",
            Deed::Invite(_) | Deed::Join => reason == "ALREADY_MEMBER",
            Deed::Remove(_) => reason == "PERSON_NOT_MEMBER",
            Deed::Send | Deed::Leave => false,
        };
        if !fits && !outside {
            wrong.push(format!("{done:?}"));
        }
    }
    wrong
}
