//! A request id is taken in a person's own scope, so that it means one thing wherever its work is then done.

use super::{Allowed, Done, add_whole};
use crate::dedup::Proof;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, method: u16) -> Done {
    let (time_us, commitment) = add_whole(stage, allowed.command, Kind::Claimed, |header| {
        header.rule = allowed.rule;
        header.target = Some(u64::from(method));
    });
    let proof = Proof::Salted(allowed.command.salt, commitment);
    Done::New(Outcome::Committed { seq: 0, time_us, repeated: false }, proof)
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::outcome::Outcome;
    use crate::refusal::Refusal;
    use crate::testkit::{ANN, BOB, World, command, named};

    #[test]
    fn a_claim_is_for_one_thing_and_one_person() {
        let mut world = World::empty();
        let claim = |actor, method, name| command(5, actor, Action::Claim { method }, &named(name));
        let outcomes = world.apply(vec![
            claim(ANN, 1, "a"),
            claim(ANN, 1, "a"),
            claim(ANN, 2, "a"),
            claim(ANN, 1, "b"),
            claim(BOB, 2, "b"),
        ]);
        let repeated = outcomes.iter().map(|o| match o {
            Outcome::Committed { seq: 0, repeated, .. } => Some(*repeated),
            other => {
                assert_eq!(*other, Outcome::Refused(Refusal::RequestReused));
                None
            }
        });
        assert_eq!(repeated.collect::<Vec<_>>(), [Some(false), Some(true), None, None, Some(false)]);
        assert_eq!(world.shard.record_size(), 4, "two claims, two refusals, nothing for the repetition");
        world.reload();
    }
}
