//! A request id is taken in a person's own scope, so that it means one thing wherever its work is then done.

use super::{Allowed, Done, add_whole};
use crate::dedup::Proof;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, method: u16) -> Done {
    let (time_us, commitment) = add_whole(stage, allowed.command, Kind::Claimed, |header| {
        header.rule = allowed.rule;
        header.target = Some(u64::from(method));
    });
    let proof = Proof::Salted(allowed.command.salt, commitment);
    Done::New(Outcome::Committed { seq: 0, time_us, repeated: false }, proof)
}
