//! Refusals in the record: those that apply finds, and those that a proposer has counted.

use super::{Allowed, Done, add_whole};
use crate::command::{Action, Command};
use crate::dedup::Proof;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::record::RefusedCount;
use crate::refusal::Refusal;
use crate::stage::Stage;

/// Records refusals that were counted outside.
pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>) -> Done {
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
pub(crate) fn record(stage: &mut Stage<'_>, command: &Command, refusal: Refusal) -> Proof {
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

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::kind::Kind;
    use crate::outcome::Outcome;
    use crate::read::leaf;
    use crate::record::RefusedCount;
    use crate::refusal::Refusal;
    use crate::room::Visibility;
    use crate::testkit::{ANN, BOB, ROOM, SHARD, World, command};

    #[test]
    fn a_refusal_is_an_entry_of_the_record_and_of_no_room() {
        let mut world = World::with_room(Visibility::Public);
        let send = command(77, BOB, Action::SendMessage { room: ROOM }, &Content::text("let me in"));
        assert_eq!(world.apply(vec![send.clone()]), [Outcome::Refused(Refusal::NotMember)]);
        let Ok(Some(entry)) = leaf(&world.rows, SHARD, 1) else { panic!("an entry") };
        let header = entry.header;
        assert_eq!((header.kind, header.room, header.seq, header.rule), (Kind::Refused, Some(ROOM), None, 0));
        let refused = header.refused.expect("what was refused");
        assert_eq!((refused.action, refused.reason, refused.count), (2, Refusal::NotMember.number(), 1));
        assert_eq!(world.seqs(ANN), [1]);
        assert_eq!(world.act(BOB, Action::Join { room: ROOM }), Ok(2));
        assert_eq!(world.apply(vec![send]), [Outcome::Refused(Refusal::NotMember)], "the first answer stands");
    }

    #[test]
    fn counted_refusals_keep_their_count() {
        let mut world = World::empty();
        let counted = Action::Refused { room: Some(ROOM), reason: 1, count: 40, first_us: 10, last_us: 20 };
        assert_eq!(world.act(BOB, counted), Ok(0));
        let Ok(Some(entry)) = leaf(&world.rows, SHARD, 0) else { panic!("an entry") };
        let expected = RefusedCount { action: 0, reason: 1, count: 40, first_us: 10, last_us: 20 };
        assert_eq!((entry.header.refused, entry.header.actor), (Some(expected), BOB));
        world.reload();
    }
}
