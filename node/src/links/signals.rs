//! Presence as this node's links told it: soft state that dies with the link.

use std::collections::HashMap;

use bytes::Bytes;
use hansard_domain::RoomId;
use hansard_proto::cluster::v1::Signal;

/// People whose presence is kept for routers that link later.
const PRESENCES: usize = 131_072;

/// `hansard.v1.Availability`: the person is gone.
const OFFLINE: u32 = hansard_proto::v1::Availability::Offline as u32;

/// See the module.
#[derive(Default)]
pub(super) struct Presences(HashMap<Bytes, (u64, Signal)>);

/// The room of typing or of a read mark, `Some(None)` for presence, `None` for a signal that is neither.
pub(super) fn check(signal: &Signal) -> Option<Option<RoomId>> {
    if signal.person.len() != 16 {
        return None;
    }
    if signal.room.is_empty() {
        // A read mark is of a room: without one it is no presence.
        return (signal.read_seq == 0).then_some(None);
    }
    let room: [u8; 16] = signal.room.as_ref().try_into().ok()?;
    Some(Some(RoomId::from_bytes(room)))
}

impl Presences {
    /// Keeps what was last said of a person. False: there are too many, and it is dropped.
    pub(super) fn note(&mut self, link: u64, signal: &Signal) -> bool {
        if signal.availability == OFFLINE {
            let told = self.0.get(&signal.person).map(|(owner, _)| *owner);
            if told == Some(link) {
                self.0.remove(&signal.person);
            }
            return told.is_none_or(|owner| owner == link);
        }
        if self.0.len() >= PRESENCES && !self.0.contains_key(&signal.person) {
            return false;
        }
        // A copy, so that the frame it came in is not kept alive.
        let person = Bytes::copy_from_slice(&signal.person);
        let kept = Signal { person: person.clone(), room: Bytes::new(), ..signal.clone() };
        self.0.insert(person, (link, kept));
        true
    }

    /// What is known of everybody.
    pub(super) fn all(&self) -> impl Iterator<Item = Signal> + '_ {
        self.0.values().map(|(_, signal)| signal.clone())
    }

    /// Forgets what a link told, and says who is offline by that.
    pub(super) fn drop_link(&mut self, link: u64) -> Vec<Signal> {
        let gone: Vec<Bytes> =
            self.0.iter().filter(|(_, (owner, _))| *owner == link).map(|(who, _)| who.clone()).collect();
        let offline = |person: Bytes| {
            self.0.remove(&person);
            Signal { person, availability: OFFLINE, ..Signal::default() }
        };
        gone.into_iter().map(offline).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(person: u8, availability: u32) -> Signal {
        Signal { person: vec![person; 16].into(), availability, ..Signal::default() }
    }

    #[test]
    fn presence_dies_with_the_link_that_told_it() {
        let mut presences = Presences::default();
        assert!(presences.note(1, &presence(7, 1)));
        assert!(presences.note(2, &presence(8, 1)));
        assert_eq!(presences.drop_link(1), [presence(7, OFFLINE)]);
        assert_eq!(presences.all().collect::<Vec<_>>(), [presence(8, 1)]);
    }

    #[test]
    fn a_router_that_lost_a_person_to_another_does_not_say_offline() {
        let mut presences = Presences::default();
        assert!(presences.note(1, &presence(7, 1)));
        assert!(presences.note(2, &presence(7, 1)));
        assert!(!presences.note(1, &presence(7, OFFLINE)));
        assert!(presences.note(2, &presence(7, OFFLINE)));
    }

    #[test]
    fn takes_typing_presence_and_nothing_else() {
        assert_eq!(check(&presence(1, 1)), Some(None));
        let typing = Signal { room: vec![2; 16].into(), ..presence(1, 0) };
        assert_eq!(check(&typing), Some(Some(RoomId::from_bytes([2; 16]))));
        assert_eq!(check(&Signal::default()), None);
        assert_eq!(check(&Signal { room: vec![2; 3].into(), ..presence(1, 0) }), None);
        assert_eq!(check(&Signal { read_seq: 7, ..presence(1, 1) }), None);
    }
}
