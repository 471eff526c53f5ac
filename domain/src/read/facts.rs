//! What policy must know before it decides.

use crate::authorize::LoadedFacts;
use crate::command::{Action, Command};
use crate::ids::{PersonId, RoomId};
use crate::member::Member;
use crate::outcome::Outcome;
use crate::requests;
use crate::rows::Rows;
use crate::shard::target_of;

/// The facts that the rules ask about, as of these rows.
pub fn facts<R: Rows>(rows: &R, actor: PersonId, action: &Action) -> Result<LoadedFacts, R::Error> {
    let Some(room) = action.room().filter(|_| !matches!(action, Action::Refused { .. })) else {
        return Ok(LoadedFacts::default());
    };
    let subject = match action.person() {
        Some(person) => super::member(rows, room, person)?,
        None => None,
    };
    let target = match action.target() {
        Some(seq) => super::event(rows, room, seq)?.as_ref().map(target_of),
        None => None,
    };
    Ok(LoadedFacts { room: super::room(rows, room)?, actor: super::member(rows, room, actor)?, subject, target })
}

/// The answer to a request that was seen before: the first one, or that its id is taken. None if it is new, as far as these
/// rows know: apply has the last word.
pub fn first_answer<R: Rows>(rows: &R, command: &Command) -> Result<Option<Outcome>, R::Error> {
    let Some(row) = requests::find(rows, &requests::owner(command), command.request)? else {
        return Ok(None);
    };
    let outcome = row.settle(command, |seq| match command.action.room() {
        Some(room) => super::event(rows, room, seq),
        None => Ok(None),
    })?;
    Ok(Some(outcome))
}

/// A person's membership of a room, past or present.
pub fn membership<R: Rows>(rows: &R, room: RoomId, person: PersonId) -> Result<Option<Member>, R::Error> {
    super::member(rows, room, person)
}
