//! The access matrix, as a text file that people review: `matrix.txt`. With HANSARD_BLESS=1 the file is written anew;
//! raise POLICY_VERSION when it changes.

use std::fmt::Write;
use std::path::Path;

use hansard_domain::{
    Action, Content, Facts, Interval, Kind, Member, PersonId, Role, Room, RoomId, Target, Visibility,
};
use hansard_policy::{POLICY_VERSION, decide};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const ACTOR: PersonId = PersonId::from_bytes([2; 16]);
const OTHER: PersonId = PersonId::from_bytes([3; 16]);

fn room(visibility: Visibility, open: bool) -> Room {
    let pair = (visibility == Visibility::Direct).then_some([ACTOR, OTHER]);
    Room { visibility, open, head: 9, created_us: 0, members: 5, owners: 2, messages: 3, topic_seq: 1, pair }
}

fn member(role: Role, current: bool, removed: bool) -> Member {
    let to = (!current).then_some(8);
    Member { role, since: 1, removed, intervals: vec![Interval { from: 1, to }] }
}

fn actors() -> Vec<(&'static str, Option<Member>)> {
    vec![
        ("owner", Some(member(Role::Owner, true, false))),
        ("member", Some(member(Role::Member, true, false))),
        ("guest", Some(member(Role::Guest, true, false))),
        ("left", Some(member(Role::Member, false, false))),
        ("removed", Some(member(Role::Member, false, true))),
        ("stranger", None),
    ]
}

fn actions() -> Vec<(&'static str, Action, Content, Facts<'static>)> {
    let target =
        |author| Facts { target: Some(Target { author, kind: Kind::Message, redacted: false }), ..Facts::default() };
    let subject = |role, current, removed| {
        let subject: &'static Member = Box::leak(Box::new(member(role, current, removed)));
        Facts { subject: Some(subject), ..Facts::default() }
    };
    let (none, nothing) = (Content::default, Facts::default());
    let invite = |role| Action::Invite { room: ROOM, person: OTHER, role };
    let (edit, redact) =
        (Action::EditMessage { room: ROOM, target: 5 }, Action::RedactMessage { room: ROOM, target: 5 });
    vec![
        ("send", Action::SendMessage { room: ROOM }, Content::text("x"), nothing),
        ("mark read", Action::MarkRead { room: ROOM, seq: 3 }, none(), nothing),
        ("edit own", edit, Content::text("x"), target(ACTOR)),
        ("edit other's", edit, Content::text("x"), target(OTHER)),
        ("redact own", redact, none(), target(ACTOR)),
        ("redact other's", redact, none(), target(OTHER)),
        ("redact nothing", redact, none(), nothing),
        ("join", Action::Join { room: ROOM }, none(), nothing),
        ("leave", Action::Leave { room: ROOM }, none(), nothing),
        ("invite guest", invite(Role::Guest), none(), nothing),
        ("invite owner", invite(Role::Owner), none(), nothing),
        ("invite member of it", invite(Role::Member), none(), subject(Role::Member, true, false)),
        ("invite who left", invite(Role::Member), none(), subject(Role::Member, false, false)),
        ("invite removed", invite(Role::Member), none(), subject(Role::Member, false, true)),
        ("remove", Action::Remove { room: ROOM, person: OTHER }, none(), subject(Role::Owner, true, false)),
        (
            "set role",
            Action::SetRole { room: ROOM, person: OTHER, role: Role::Guest },
            none(),
            subject(Role::Member, true, false),
        ),
        ("set topic", Action::SetTopic { room: ROOM }, Content { topic: Some("x".into()), ..none() }, nothing),
    ]
}

fn matrix() -> String {
    let mut text = format!("policy version {POLICY_VERSION}: room, action, actor: rule or refusal\n");
    let rooms = [
        ("public", Some(room(Visibility::Public, true))),
        ("private", Some(room(Visibility::Private, true))),
        ("direct", Some(room(Visibility::Direct, true))),
        ("closed public", Some(room(Visibility::Public, false))),
        ("closed private", Some(room(Visibility::Private, false))),
        ("no such", None),
    ];
    for (state, room) in &rooms {
        for (name, action, content, facts) in actions() {
            writeln!(text, "\n{state} room, {name}").expect("strings take all");
            for (role, actor) in actors() {
                let facts = Facts { room: room.as_ref(), actor: actor.as_ref(), ..facts };
                let answer = match decide(ACTOR, &action, &content, &facts) {
                    Ok(permit) => format!("yes  {:?}", permit.rule()),
                    Err(refusal) => format!("no   {}", refusal.reason()),
                };
                writeln!(text, "  {role:<9} {answer}").expect("strings take all");
            }
        }
    }
    text
}

#[test]
fn the_matrix_is_the_reviewed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix.txt");
    let found = matrix();
    if std::env::var_os("HANSARD_BLESS").is_some() {
        std::fs::write(&path, &found).expect("the matrix can be written");
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (found, reviewed)) in found.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(found, reviewed, "tests/matrix.txt, line {}", line + 1);
    }
    assert_eq!(found.len(), reviewed.len(), "tests/matrix.txt has other lines");
}

#[test]
fn the_system_needs_no_permit_and_gets_none() {
    let create = Action::CreateRoom { room: ROOM, visibility: Visibility::Public, peer: None };
    let content = Content { name: Some("room".into()), ..Content::default() };
    assert!(decide(PersonId::SYSTEM, &create, &content, &Facts::default()).is_err());
    let permit = decide(ACTOR, &create, &content, &Facts::default()).expect("anyone creates");
    assert_eq!((permit.actor(), *permit.action(), permit.policy()), (ACTOR, create, POLICY_VERSION));
}
