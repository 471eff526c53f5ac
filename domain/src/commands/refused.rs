//! Refusals in the record: those that apply finds, and those that a proposer has counted.

use super::{Allowed, Done, add_whole};
use crate::command::{Action, Command};
use crate::dedup::Proof;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::record::RefusedCount;
use crate::refusal::Refusal;
use crate::rows::Rows;
use crate::stage::Stage;

/// Records refusals that were counted outside.
pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>) -> Done {
    let Action::Refused { room, reason, count, first_us, last_us } = allowed.command.action else {
        unreachable!("dispatched by the action");
    };
    let (time_us, commitment) = add_whole(stage, allowed.command, Kind::Refused, |header| {
        header.rule = allowed.rule;
        header.room = room;
        header.refused = Some(RefusedCount { action: 0, reason, count, first_us, last_us });
    });
    let proof = Proof::Salted(allowed.command.salt, commitment);
    Done::New(Outcome::Committed { seq: 0, time_us, repeated: false }, proof)
}

/// Records that this command was refused here, after its permit.
pub(crate) fn record<R: Rows>(stage: &mut Stage<'_, R>, command: &Command, refusal: Refusal) -> Proof {
    let (_, commitment) = add_whole(stage, command, Kind::Refused, |header| {
        header.room = command.action.room();
        header.person = command.action.person();
        header.target = command.action.target();
        let (first_us, last_us) = (header.time_us, header.time_us);
        let (action, reason) = (command.action.number(), refusal.number());
        header.refused = Some(RefusedCount { action, reason, count: 1, first_us, last_us });
    });
    Proof::Salted(command.salt, commitment)
}
