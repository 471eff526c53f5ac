//! Entries: domain's, those between nodes and routers, and the events that clients see.

use bytes::Bytes;
use hansard_domain::{Content, Entry, Kind, PersonId, RoomId};

use super::{
    ConvertError, bytes, id_of_bytes, optional_id_of_bytes, role_of_number, text, timestamp, visibility_of_number,
};
use crate::{cluster::v1 as wire, v1};

impl From<Entry> for wire::Entry {
    fn from(entry: Entry) -> Self {
        let content = entry.content.clone();
        wire::Entry { content, ..head(&entry) }
    }
}

impl From<&Entry> for wire::Entry {
    fn from(entry: &Entry) -> Self {
        let content = entry.content.clone();
        wire::Entry { content, ..head(entry) }
    }
}

/// All but the content, which is shared and never copied.
fn head(entry: &Entry) -> wire::Entry {
    wire::Entry {
        seq: entry.seq,
        time_us: entry.time_us,
        kind: entry.kind.number().into(),
        actor: actor_bytes(entry.actor),
        person: entry.person.map(bytes).unwrap_or_default(),
        target_seq: entry.target.unwrap_or_default(),
        role: entry.role.map_or(0, |role| role.number().into()),
        visibility: entry.visibility.map_or(0, |visibility| visibility.number().into()),
        content: Bytes::new(),
        changed_by_seq: entry.changed_by,
    }
}

fn actor_bytes(actor: PersonId) -> Bytes {
    if actor == PersonId::SYSTEM { Bytes::new() } else { bytes(actor) }
}

impl TryFrom<&wire::Entry> for Entry {
    type Error = ConvertError;

    fn try_from(entry: &wire::Entry) -> Result<Self, ConvertError> {
        if entry.seq == 0 {
            return Err(ConvertError::new("seq", "seqs start at 1"));
        }
        let kind = u16::try_from(entry.kind).ok().and_then(Kind::from_number);
        Ok(Self {
            seq: entry.seq,
            time_us: entry.time_us,
            kind: kind
                .ok_or_else(|| ConvertError::new("kind", format!("{} is no kind that is known here", entry.kind)))?,
            actor: optional_id_of_bytes("actor", &entry.actor)?.unwrap_or(PersonId::SYSTEM),
            person: optional_id_of_bytes("person", &entry.person)?,
            target: (entry.target_seq != 0).then_some(entry.target_seq),
            role: role_of_number("role", entry.role)?,
            visibility: visibility_of_number("visibility", entry.visibility)?,
            content: entry.content.clone(),
            changed_by: entry.changed_by_seq,
        })
    }
}

/// The entry as a room's members see it. Fails only on content that domain did not write.
pub fn event(room: RoomId, entry: &Entry) -> Result<v1::Event, ConvertError> {
    let shown = v1::Event {
        room: text(room),
        seq: entry.seq,
        time: Some(timestamp(entry.time_us)),
        kind: entry.kind.name().to_owned(),
        sender: if entry.actor == PersonId::SYSTEM { String::new() } else { text(entry.actor) },
        target_seq: entry.target.unwrap_or_default(),
        person: entry.person.map(text).unwrap_or_default(),
        role: entry.role.map_or(0, |role| role.number().into()),
        visibility: entry.visibility.map_or(0, |visibility| visibility.number().into()),
        changed_by_seq: entry.changed_by,
        ..v1::Event::default()
    };
    with_content(shown, &entry.content)
}

/// The entry as a room's members see it, straight from a node. Kinds that only newer nodes know become `kind_N`, which
/// clients show in a general form.
pub fn event_from_wire(room: RoomId, entry: &wire::Entry) -> Result<v1::Event, ConvertError> {
    let kind = u16::try_from(entry.kind).ok().and_then(Kind::from_number);
    let sender: Option<PersonId> = optional_id_of_bytes("actor", &entry.actor)?;
    let person = match entry.person.is_empty() {
        true => String::new(),
        false => text(id_of_bytes::<PersonId>("person", &entry.person)?),
    };
    let shown = v1::Event {
        room: text(room),
        seq: entry.seq,
        time: Some(timestamp(entry.time_us)),
        kind: kind.map_or_else(|| format!("kind_{}", entry.kind), |kind| kind.name().to_owned()),
        sender: sender.map(text).unwrap_or_default(),
        target_seq: entry.target_seq,
        person,
        role: number("role", entry.role)?,
        visibility: number("visibility", entry.visibility)?,
        changed_by_seq: entry.changed_by_seq,
        ..v1::Event::default()
    };
    with_content(shown, &entry.content)
}

fn with_content(mut event: v1::Event, content: &[u8]) -> Result<v1::Event, ConvertError> {
    if content.is_empty() {
        return Ok(event);
    }
    let content = Content::decode(content).map_err(|error| ConvertError::new("content", error.to_string()))?;
    event.text = content.text.unwrap_or_default();
    event.name = content.name.unwrap_or_default();
    event.topic = content.topic.unwrap_or_default();
    event.reason = content.reason.unwrap_or_default();
    Ok(event)
}

fn number(field: &'static str, number: u32) -> Result<i32, ConvertError> {
    i32::try_from(number).map_err(|_| ConvertError::new(field, format!("{number} is no number of an enum")))
}

#[cfg(test)]
mod tests {
    use hansard_domain::{Role, Visibility};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    prop_compose! {
        fn entries()(
            seq in 1_u64..,
            time_us: i64,
            kind in prop::sample::select(Kind::ALL),
            actor: [u8; 16],
            person: Option<[u8; 16]>,
            target in prop::option::of(1_u64..),
            role in prop::option::of(prop::sample::select(Role::ALL)),
            visibility in prop::option::of(prop::sample::select(Visibility::ALL)),
            text: Option<String>,
            changed_by: u64,
        ) -> Entry {
            let content = Content { text, ..Content::default() }.encode();
            Entry {
                seq, time_us, kind, actor: PersonId::from_bytes(actor), person: person.map(PersonId::from_bytes), target, role,
                visibility, content, changed_by,
            }
        }
    }

    proptest! {
        #[test]
        fn entries_come_back(entry in entries()) {
            let wire = wire::Entry::from(&entry);
            prop_assert_eq!(Entry::try_from(&wire), Ok(entry.clone()));
            prop_assert_eq!(wire::Entry::from(entry), wire);
        }

        #[test]
        fn both_ways_show_the_same_event(entry in entries(), room: [u8; 16]) {
            let room = RoomId::from_bytes(room);
            let shown = event(room, &entry).unwrap();
            prop_assert_eq!(event_from_wire(room, &wire::Entry::from(&entry)), Ok(shown.clone()));
            prop_assert_eq!(shown.kind, entry.kind.name());
            let text = Content::decode(&entry.content).unwrap().text.unwrap_or_default();
            prop_assert_eq!(shown.text, text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, content: Vec<u8>, id: Vec<u8>) {
            if let Ok(wire) = wire::Entry::decode(bytes.as_slice()) {
                let _ = Entry::try_from(&wire);
                let _ = event_from_wire(RoomId::default(), &wire);
            }
            let odd = wire::Entry { content: content.into(), actor: id.into(), kind: u32::MAX, ..wire::Entry::default() };
            let _ = Entry::try_from(&odd);
            let _ = event_from_wire(RoomId::default(), &odd);
        }
    }

    #[test]
    fn unknown_kinds_are_shown_in_a_general_form() {
        let newer = wire::Entry { seq: 1, kind: 9_999, ..wire::Entry::default() };
        assert!(Entry::try_from(&newer).is_err());
        assert_eq!(event_from_wire(RoomId::default(), &newer).unwrap().kind, "kind_9999");
    }

    #[test]
    fn the_system_has_no_sender() {
        let entry = Entry {
            seq: 1,
            time_us: 0,
            kind: Kind::RoomOpened,
            actor: PersonId::SYSTEM,
            person: None,
            target: None,
            role: None,
            visibility: None,
            content: Bytes::new(),
            changed_by: 0,
        };
        assert_eq!(event(RoomId::default(), &entry).unwrap().sender, "");
        assert!(wire::Entry::from(&entry).actor.is_empty());
    }
}
