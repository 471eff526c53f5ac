//! The rules of rooms: who may do what. Asked twice: by policy before a proposal, and by apply, where it counts.

use crate::command::Action;
use crate::ids::PersonId;
use crate::kind::Kind;
use crate::limits::MAX_ROOM_MEMBERS;
use crate::member::Member;
use crate::refusal::Refusal;
use crate::room::{Role, Room, Visibility};

/// The rule that allows something; its number is part of the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum RuleId {
    /// Everybody creates rooms.
    AnyoneCreates = 1,
    /// Everybody opens a direct room with everybody.
    AnyoneOpensDirect = 2,
    /// Members speak.
    MembersSpeak = 3,
    /// Authors edit their messages.
    AuthorsEdit = 4,
    /// Authors redact their messages.
    AuthorsRedact = 5,
    /// Owners redact any message.
    OwnersRedact = 6,
    /// Everybody who was not removed enters public rooms.
    AnyoneJoinsPublic = 7,
    /// Members leave.
    MembersLeave = 8,
    /// Members invite members and guests.
    MembersInvite = 9,
    /// Owners invite everybody, as anything.
    OwnersInvite = 10,
    /// Owners remove.
    OwnersRemove = 11,
    /// Owners set roles.
    OwnersSetRoles = 12,
    /// Owners set the topic.
    OwnersSetTopic = 13,
    /// Members mark what they have read.
    MembersMark = 14,
    /// People take request ids.
    PeopleClaim = 15,
    /// Refusals are recorded.
    RefusalsAreRecorded = 16,
    /// meta: operators operate.
    OperatorsOperate = 17,
    /// meta: the cluster keeps itself.
    ClusterKeepsItself = 18,
}

impl RuleId {
    /// Its number in the record.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// A message that an action is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Who said it.
    pub author: PersonId,
    /// What it is; only messages can be changed.
    pub kind: Kind,
    /// Whether it is redacted.
    pub redacted: bool,
}

/// What the rules ask about, borrowed.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts<'a> {
    /// The action's room, if there is one.
    pub room: Option<&'a Room>,
    /// The actor's membership, past or present.
    pub actor: Option<&'a Member>,
    /// The membership of the person whom the action is about.
    pub subject: Option<&'a Member>,
    /// The entry that the action is about.
    pub target: Option<Target>,
}

/// What the rules ask about, owned: see [`crate::read::facts`].
#[derive(Clone, Default, Debug)]
pub struct LoadedFacts {
    /// See [`Facts::room`].
    pub room: Option<Room>,
    /// See [`Facts::actor`].
    pub actor: Option<Member>,
    /// See [`Facts::subject`].
    pub subject: Option<Member>,
    /// See [`Facts::target`].
    pub target: Option<Target>,
}

impl LoadedFacts {
    /// The facts, borrowed.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            room: self.room.as_ref(),
            actor: self.actor.as_ref(),
            subject: self.subject.as_ref(),
            target: self.target,
        }
    }
}

/// Whether `actor` may do this now.
pub fn authorize(actor: PersonId, action: &Action, facts: &Facts<'_>) -> Result<RuleId, Refusal> {
    match *action {
        Action::Claim { .. } => Ok(RuleId::PeopleClaim),
        Action::Refused { .. } => Ok(RuleId::RefusalsAreRecorded),
        Action::CreateRoom { visibility, peer, .. } => create(actor, visibility, peer, facts),
        Action::Join { .. } => join(actor, facts),
        _ => {
            let (room, member) = inside(facts)?;
            match *action {
                Action::SendMessage { .. } => Ok(RuleId::MembersSpeak),
                Action::MarkRead { .. } => Ok(RuleId::MembersMark),
                Action::EditMessage { target, .. } => edit(actor, member, target, facts),
                Action::RedactMessage { target, .. } => redact(actor, member, target, facts),
                _ if room.visibility == Visibility::Direct => Err(Refusal::DirectRoom),
                Action::Leave { .. } => leave(room, member),
                Action::Invite { person, role, .. } => invite(room, member, person, role, facts.subject),
                Action::Remove { person, .. } => remove(actor, member, person, facts.subject),
                Action::SetRole { role, .. } => set_role(room, member, role, facts.subject),
                Action::SetTopic { .. } => owner(member, RuleId::OwnersSetTopic),
                Action::Claim { .. } | Action::Refused { .. } | Action::CreateRoom { .. } | Action::Join { .. } => {
                    unreachable!("matched above")
                }
            }
        }
    }
}

/// The room and the actor's present membership; else the refusal that tells no more than the actor may know.
fn inside<'a>(facts: &Facts<'a>) -> Result<(&'a Room, &'a Member), Refusal> {
    let room = facts.room.ok_or(Refusal::RoomUnknown)?;
    let member = facts.actor.filter(|m| m.is_current());
    match member {
        Some(_) if !room.open => Err(Refusal::RoomClosed),
        Some(member) => Ok((room, member)),
        None => Err(outside(room, facts.actor)),
    }
}

/// What somebody who is not a member is told about a room.
pub(crate) fn outside(room: &Room, actor: Option<&Member>) -> Refusal {
    match room.visibility {
        Visibility::Public if actor.is_some_and(|m| m.removed) => Refusal::Removed,
        Visibility::Public => Refusal::NotMember,
        Visibility::Private | Visibility::Direct => Refusal::RoomUnknown,
    }
}

fn create(
    actor: PersonId,
    visibility: Visibility,
    peer: Option<PersonId>,
    facts: &Facts<'_>,
) -> Result<RuleId, Refusal> {
    let direct = visibility == Visibility::Direct;
    if direct != peer.is_some() || peer == Some(actor) || peer == Some(PersonId::SYSTEM) {
        return Err(Refusal::InvalidAction);
    }
    match facts.room {
        // The other of the two was first: the room is there, and creating it again changes nothing.
        Some(room) if direct && room.pair.is_some() && room.peer(actor) == peer => Ok(RuleId::AnyoneOpensDirect),
        Some(_) => Err(Refusal::RoomExists),
        None if direct => Ok(RuleId::AnyoneOpensDirect),
        None => Ok(RuleId::AnyoneCreates),
    }
}

fn join(actor: PersonId, facts: &Facts<'_>) -> Result<RuleId, Refusal> {
    let room = facts.room.ok_or(Refusal::RoomUnknown)?;
    if facts.actor.is_some_and(Member::is_current) {
        return Err(Refusal::AlreadyMember);
    }
    match outside(room, facts.actor) {
        Refusal::NotMember if !room.open => Err(Refusal::RoomClosed),
        Refusal::NotMember if room.members >= MAX_ROOM_MEMBERS => Err(Refusal::TooManyMembers),
        Refusal::NotMember if actor == PersonId::SYSTEM => Err(Refusal::NotAllowed),
        Refusal::NotMember => Ok(RuleId::AnyoneJoinsPublic),
        refusal => Err(refusal),
    }
}

fn message(member: &Member, target: u64, facts: &Facts<'_>) -> Result<Target, Refusal> {
    let found = facts.target.filter(|t| t.kind == Kind::Message && member.sees(target));
    let found = found.ok_or(Refusal::TargetUnknown)?;
    if found.redacted { Err(Refusal::TargetRedacted) } else { Ok(found) }
}

fn edit(actor: PersonId, member: &Member, target: u64, facts: &Facts<'_>) -> Result<RuleId, Refusal> {
    let target = message(member, target, facts)?;
    if target.author == actor { Ok(RuleId::AuthorsEdit) } else { Err(Refusal::NotAllowed) }
}

fn redact(actor: PersonId, member: &Member, target: u64, facts: &Facts<'_>) -> Result<RuleId, Refusal> {
    let target = message(member, target, facts)?;
    if target.author == actor {
        return Ok(RuleId::AuthorsRedact);
    }
    owner(member, RuleId::OwnersRedact)
}

fn owner(member: &Member, rule: RuleId) -> Result<RuleId, Refusal> {
    if member.role == Role::Owner { Ok(rule) } else { Err(Refusal::NotAllowed) }
}

fn leave(room: &Room, member: &Member) -> Result<RuleId, Refusal> {
    let last = member.role == Role::Owner && room.owners == 1 && room.members > 1;
    if last { Err(Refusal::LastOwner) } else { Ok(RuleId::MembersLeave) }
}

fn invite(
    room: &Room,
    member: &Member,
    person: PersonId,
    role: Role,
    subject: Option<&Member>,
) -> Result<RuleId, Refusal> {
    if person == PersonId::SYSTEM {
        return Err(Refusal::InvalidAction);
    }
    let rule = match member.role {
        Role::Owner => RuleId::OwnersInvite,
        // What an owner has undone, only an owner brings back.
        Role::Member if role != Role::Owner && !subject.is_some_and(|s| s.removed) => RuleId::MembersInvite,
        Role::Member | Role::Guest => return Err(Refusal::NotAllowed),
    };
    if subject.is_some_and(Member::is_current) {
        return Err(Refusal::AlreadyMember);
    }
    if room.members >= MAX_ROOM_MEMBERS { Err(Refusal::TooManyMembers) } else { Ok(rule) }
}

fn remove(actor: PersonId, member: &Member, person: PersonId, subject: Option<&Member>) -> Result<RuleId, Refusal> {
    owner(member, RuleId::OwnersRemove)?;
    if person == actor {
        // Leaving is another thing: who leaves may come back.
        return Err(Refusal::InvalidAction);
    }
    current(subject)?;
    Ok(RuleId::OwnersRemove)
}

fn set_role(room: &Room, member: &Member, role: Role, subject: Option<&Member>) -> Result<RuleId, Refusal> {
    owner(member, RuleId::OwnersSetRoles)?;
    let subject = current(subject)?;
    let last = subject.role == Role::Owner && role != Role::Owner && room.owners == 1;
    if last { Err(Refusal::LastOwner) } else { Ok(RuleId::OwnersSetRoles) }
}

fn current(subject: Option<&Member>) -> Result<&Member, Refusal> {
    subject.filter(|s| s.is_current()).ok_or(Refusal::PersonNotMember)
}
