//! What commands do once they are allowed: one file each.

use crate::bug::{self, Bug};
use crate::command::{Action, Command};
use crate::dedup::Proof;
use crate::erased::Unread;
use crate::event::{Body, ContentState, EventRow};
use crate::ids::{PersonId, RoomId};
use crate::keys;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::record::Header;
use crate::room::{Role, Visibility};
use crate::rows::Table;
use crate::sealed::Commitment;
use crate::stage::Stage;

mod claim;
mod create_room;
mod edit;
mod invite;
mod join;
mod leave;
mod mark_read;
mod redact;
pub(crate) mod refused;
mod remove;
mod role;
mod send;
mod topic;

/// A command that the rules allow.
pub(crate) struct Allowed<'a> {
    pub(crate) command: &'a Command,
    pub(crate) rule: u16,
}

/// What a command did.
pub(crate) enum Done {
    /// Something new, to be remembered with the means to know the request again.
    New(Outcome, Proof),
    /// Nothing: it was so already.
    Already(Outcome),
}

/// What an entry of a room says, besides what all entries say.
#[derive(Default)]
pub(crate) struct Draft {
    person: Option<PersonId>,
    target: Option<u64>,
    role: Option<Role>,
    visibility: Option<Visibility>,
}

/// Does what the command wants.
pub(crate) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>) -> Result<Done, Unread> {
    match allowed.command.action {
        Action::CreateRoom { room, visibility, peer } => Ok(create_room::apply(stage, allowed, room, visibility, peer)),
        Action::SendMessage { room } => Ok(send::apply(stage, allowed, room)),
        Action::EditMessage { room, target } => edit::apply(stage, allowed, room, target),
        Action::RedactMessage { room, target } => redact::apply(stage, allowed, room, target),
        Action::Join { room } => Ok(join::apply(stage, allowed, room)),
        Action::Leave { room } => Ok(leave::apply(stage, allowed, room)),
        Action::Invite { room, person, role } => Ok(invite::apply(stage, allowed, room, person, role)),
        Action::Remove { room, person } => Ok(remove::apply(stage, allowed, room, person)),
        Action::SetRole { room, person, role } => Ok(role::apply(stage, allowed, room, person, role)),
        Action::SetTopic { room } => Ok(topic::apply(stage, allowed, room)),
        Action::MarkRead { room, seq } => mark_read::apply(stage, allowed, room, seq),
        Action::Claim { method } => Ok(claim::apply(stage, allowed, method)),
        Action::Refused { .. } => Ok(refused::apply(stage, allowed)),
    }
}

/// Adds an entry to a room that is loaded: the next seq, the next leaf, news for its followers.
fn add_entry(stage: &mut Stage<'_>, allowed: &Allowed<'_>, kind: Kind, room_id: RoomId, draft: Draft) -> Done {
    let Command { request, actor, stamp_us, policy, salt, content, .. } = allowed.command;
    let time_us = stage.warm.head.next_time(*stamp_us);
    let index = stage.warm.head.size;
    let room = stage.room_mut(room_id);
    room.head = if bug::is(Bug::RoomsShareSequence) { index + 1 } else { room.head + 1 };
    room.messages += u64::from(kind == Kind::Message);
    let (seq, messages) = (room.head, room.messages);
    let row = EventRow {
        index,
        time_us,
        kind,
        actor: *actor,
        request: *request,
        policy: *policy,
        rule: allowed.rule,
        person: draft.person,
        target: draft.target,
        role: draft.role,
        visibility: draft.visibility,
        messages,
        changed_by: 0,
        state: ContentState::Shown,
        body: Body::Kept { salt: *salt, content: content.clone() },
    };
    let commitment = stage.commitment(allowed.command);
    stage.add_event(room_id, seq, &row, &commitment);
    Done::New(Outcome::Committed { seq, time_us, repeated: false }, Proof::Event)
}

/// Adds an entry that is in no room. `fill` completes the header.
fn add_whole(
    stage: &mut Stage<'_>,
    command: &Command,
    kind: Kind,
    fill: impl FnOnce(&mut Header),
) -> (i64, Commitment) {
    let time_us = stage.warm.head.next_time(command.stamp_us);
    let index = stage.warm.head.size;
    let mut header = Header::new(stage.shard, index, time_us, kind, command.actor, command.request);
    header.policy = command.policy;
    fill(&mut header);
    let commitment = stage.commitment(command);
    stage.record(&header, &commitment, &command.salt, &command.content);
    (time_us, commitment)
}

/// Lists or unlists a room among a person's rooms.
fn list(stage: &mut Stage<'_>, person: PersonId, room: RoomId, listed: bool) {
    stage.put(Table::PersonRoom, &keys::person_room(person, room), listed.then(|| vec![1]));
}
