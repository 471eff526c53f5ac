//! What holds for every sequence of commands.

mod codecs;
mod determinism;
mod golden;
mod requests;
mod rules;

use proptest::prelude::*;

use crate::command::{Action, Command};
use crate::content::Content;
use crate::ids::{PersonId, RequestId, RoomId};
use crate::room::{Role, Visibility};
use crate::testkit::{command, named};

/// A quarter of the usual number of cases, for properties whose cases are long.
fn a_quarter() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(4), ..usual }
}

pub(super) const PEOPLE: u8 = 4;
pub(super) const ROOMS: u8 = 3;

pub(super) fn someone(n: u8) -> PersonId {
    PersonId::from_bytes([n + 1; 16])
}

pub(super) fn some_room(n: u8) -> RoomId {
    RoomId::from_bytes([n + 0x81; 16])
}

/// Few people, few rooms and few request ids, so that they meet.
fn any_command() -> impl Strategy<Value = Command> {
    let dice = (0..PEOPLE, 0..PEOPLE, 0..ROOMS, 1..12u64, 0u8..3);
    (0u8..24, dice, 0u8..60, any::<u8>(), 0..1_000u64).prop_map(
        |(what, (actor, person, room, target, pick), request, text, stamp)| {
            let (room, person) = (some_room(room), someone(person));
            let role = Role::ALL[usize::from(pick)];
            let action = match what {
                0..=2 => {
                    let visibility = Visibility::ALL[usize::from(pick)];
                    Action::CreateRoom { room, visibility, peer: (visibility == Visibility::Direct).then_some(person) }
                }
                3..=8 => Action::SendMessage { room },
                9 | 10 => Action::EditMessage { room, target },
                11 | 12 => Action::RedactMessage { room, target },
                13 | 14 => Action::Join { room },
                15 => Action::Leave { room },
                16 | 17 => Action::Invite { room, person, role },
                18 => Action::Remove { room, person },
                19 => Action::SetRole { room, person, role },
                20 => Action::SetTopic { room },
                21 => Action::MarkRead { room, seq: target },
                22 => Action::Claim { method: u16::from(pick) },
                _ => Action::Refused { room: Some(room), reason: 1, count: target, first_us: 1, last_us: 2 },
            };
            let content = if what < 3 { named("room") } else { Content::text(format!("text {}", text % 4)) };
            let mut command = command(stamp, someone(actor), action, &content);
            command.request = RequestId::from_bytes([request; 16]);
            command.policy = 1 + u64::from(text == 255);
            command
        },
    )
}

pub(super) fn any_commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(any_command(), 1..120)
}
