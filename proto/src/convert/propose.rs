//! Commands for rooms, between routers and nodes.

use bytes::Bytes;
use hansard_domain::{Action, Kind, PersonId, RequestId, Role, RoomId, command::MARK_READ};

use super::{ConvertError, bytes, id_of_bytes, optional_id_of_bytes, role_of_number, visibility_of_number};
use crate::cluster::v1::Propose;

/// What an action has beside its room; what it does not have is empty.
struct Fields {
    person: Option<PersonId>,
    target_seq: u64,
    role: u32,
    visibility: u32,
}

/// `None` for actions that have messages of their own (claims and refusals).
fn fields(action: &Action) -> Option<Fields> {
    let (role, visibility) = match *action {
        Action::Claim { .. } | Action::Refused { .. } => return None,
        Action::CreateRoom { visibility, .. } => (0, visibility.number()),
        Action::Invite { role, .. } | Action::SetRole { role, .. } => (role.number(), 0),
        _ => (0, 0),
    };
    let mark = match *action {
        Action::MarkRead { seq, .. } => Some(seq),
        _ => action.target(),
    };
    let target_seq = mark.unwrap_or_default();
    Some(Fields { person: action.person(), target_seq, role: role.into(), visibility: visibility.into() })
}

/// The wire form of an action in a room; `None` for those that have messages of their own (claims and refusals).
pub fn propose(request: RequestId, action: &Action, content: Bytes) -> Option<Propose> {
    let Fields { person, target_seq, role, visibility } = fields(action)?;
    Some(Propose {
        room: bytes(action.room()?),
        request_id: bytes(request),
        action: action.number().into(),
        person: person.map(bytes).unwrap_or_default(),
        target_seq,
        role,
        visibility,
        content,
    })
}

/// The action that a router asks for. Fields that it does not have must be empty.
pub fn action_of(propose: &Propose) -> Result<Action, ConvertError> {
    let action = read(propose)?;
    let canonical = fields(&action).expect("only actions in rooms are read");
    let person: &[u8] = canonical.person.as_ref().map_or(&[], |person| person.as_bytes());
    let extra = [
        ("person", person != propose.person),
        ("target_seq", canonical.target_seq != propose.target_seq),
        ("role", canonical.role != propose.role),
        ("visibility", canonical.visibility != propose.visibility),
    ];
    match extra.into_iter().find(|(_, differs)| *differs) {
        Some((field, _)) => Err(ConvertError::new(field, "this action does not have it")),
        None => Ok(action),
    }
}

fn read(propose: &Propose) -> Result<Action, ConvertError> {
    let room: RoomId = id_of_bytes("room", &propose.room)?;
    let target = propose.target_seq;
    let number = u16::try_from(propose.action).unwrap_or_default();
    if number == MARK_READ {
        return Ok(Action::MarkRead { room, seq: target });
    }
    Ok(match Kind::from_number(number) {
        Some(Kind::RoomCreated) => Action::CreateRoom {
            room,
            visibility: visibility_of_number("visibility", propose.visibility)?
                .ok_or_else(|| ConvertError::new("visibility", "is missing"))?,
            peer: optional_id_of_bytes("person", &propose.person)?,
        },
        Some(Kind::Message) => Action::SendMessage { room },
        Some(Kind::Edit) => Action::EditMessage { room, target },
        Some(Kind::Redaction) => Action::RedactMessage { room, target },
        Some(Kind::Joined) => Action::Join { room },
        Some(Kind::Left) => Action::Leave { room },
        Some(Kind::Invited) => Action::Invite { room, person: person(propose)?, role: role(propose)? },
        Some(Kind::Removed) => Action::Remove { room, person: person(propose)? },
        Some(Kind::Role) => Action::SetRole { room, person: person(propose)?, role: role(propose)? },
        Some(Kind::Topic) => Action::SetTopic { room },
        _ => return Err(ConvertError::new("action", format!("{} is no action in a room", propose.action))),
    })
}

fn person(propose: &Propose) -> Result<PersonId, ConvertError> {
    id_of_bytes("person", &propose.person)
}

fn role(propose: &Propose) -> Result<Role, ConvertError> {
    role_of_number("role", propose.role)?.ok_or_else(|| ConvertError::new("role", "is missing"))
}

#[cfg(test)]
mod tests {
    use hansard_domain::Visibility;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn actions() -> Vec<Action> {
        let room = RoomId::from_bytes([1; 16]);
        let person = PersonId::from_bytes([2; 16]);
        let role = Role::Guest;
        vec![
            Action::CreateRoom { room, visibility: Visibility::Private, peer: None },
            Action::CreateRoom { room, visibility: Visibility::Direct, peer: Some(person) },
            Action::SendMessage { room },
            Action::EditMessage { room, target: 7 },
            Action::RedactMessage { room, target: 7 },
            Action::Join { room },
            Action::Leave { room },
            Action::Invite { room, person, role },
            Action::Remove { room, person },
            Action::SetRole { room, person, role },
            Action::SetTopic { room },
            Action::MarkRead { room, seq: 9 },
        ]
    }

    #[test]
    fn actions_come_back() {
        for action in actions() {
            let wire = propose(RequestId::default(), &action, Bytes::from_static(b"\x01\x01x")).unwrap();
            assert_eq!(action_of(&wire), Ok(action));
        }
    }

    #[test]
    fn fields_of_other_actions_are_refused() {
        let wire = propose(RequestId::default(), &actions()[2], Bytes::new()).unwrap();
        let refused = |wire: Propose| action_of(&wire).unwrap_err().field;
        assert_eq!(refused(Propose { target_seq: 1, ..wire.clone() }), "target_seq");
        assert_eq!(refused(Propose { role: 1, ..wire.clone() }), "role");
        assert_eq!(refused(Propose { visibility: 1, ..wire.clone() }), "visibility");
        assert_eq!(refused(Propose { person: wire.room.clone(), ..wire.clone() }), "person");
        assert_eq!(refused(Propose { room: Bytes::new(), ..wire.clone() }), "room");
        for action in [0, 33, 64, 65_537, u32::MAX] {
            assert_eq!(refused(Propose { action, ..wire.clone() }), "action");
        }
    }

    #[test]
    fn claims_have_their_own_message() {
        assert_eq!(propose(RequestId::default(), &Action::Claim { method: 1 }, Bytes::new()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, action in 0_u32..300, room: [u8; 16], target_seq: u64) {
            if let Ok(wire) = Propose::decode(bytes.as_slice()) {
                let _ = action_of(&wire);
            }
            let _ = action_of(&Propose { action, room: Bytes::copy_from_slice(&room), target_seq, ..Propose::default() });
        }
    }
}
