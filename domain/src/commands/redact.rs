//! A message is hidden, and its edits with it; the texts stay in the record.

use super::{Allowed, Done, Draft, add_entry, edit};
use crate::erased::Unread;
use crate::event::ContentState;
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId, target: u64) -> Result<Done, Unread> {
    let draft = Draft { target: Some(target), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Redaction, room, draft);
    edit::change(stage, room, target, ContentState::Redacted)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::event::Body;
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, ROOM, World};

    const REDACT: Action = Action::RedactMessage { room: ROOM, target: 3 };

    #[test]
    fn message_and_edits_are_hidden_but_kept_in_the_record() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(BOB, "secret"), Ok(3));
        let edit = Action::EditMessage { room: ROOM, target: 3 };
        assert_eq!(world.run(BOB, edit, &Content::text("still secret")), Ok(4));
        let why = Content { reason: Some("wrong room".into()), ..Content::default() };
        assert_eq!(world.run(ANN, REDACT, &why), Ok(5));
        for seq in [3, 4] {
            assert_eq!(world.entry(BOB, seq).content.len(), 0, "{seq}");
            let Ok(Some(row)) = crate::read::event(&world.rows, ROOM, seq) else { panic!("kept") };
            let Body::Kept { content, .. } = row.body else { panic!("kept") };
            assert!(Content::decode(&content.bytes).expect("content").text.expect("text").contains("secret"));
        }
        assert_eq!(world.entry(BOB, 3).changed_by, 5);
        assert_eq!(world.run(BOB, edit, &Content::text("again")), Err(Refusal::TargetRedacted));
        assert_eq!(world.act(BOB, REDACT), Err(Refusal::TargetRedacted));
        world.reload();
    }

    #[test]
    fn authors_and_owners_redact() {
        for (actor, expected) in [(ANN, Ok(4)), (BOB, Ok(4))] {
            let mut world = World::with_bob(Role::Guest);
            assert_eq!(world.say(BOB, "x"), Ok(3));
            assert_eq!(world.act(actor, REDACT), expected);
        }
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(ANN, "x"), Ok(3));
        assert_eq!(world.act(BOB, REDACT), Err(Refusal::NotAllowed));
    }
}
