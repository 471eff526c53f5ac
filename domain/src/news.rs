//! What batches have added to rooms: enough to tell it to those who follow. Most replicas have nobody to tell it to, so that
//! the events themselves are made only where they are wanted.

use crate::batch::Batch;
use crate::command::{Action, Command};
use crate::entry::{Entry, RoomEvent};
use crate::room::Role;

/// The entries that batches added to rooms, in order.
#[derive(Clone, Debug, Default)]
pub struct News {
    entries: Vec<New>,
}

/// An entry, but for what its command says.
#[derive(Clone, Copy, Debug)]
struct New {
    batch: u32,
    command: u32,
    seq: u64,
    time_us: i64,
    role: Option<Role>,
}

impl News {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries) }
    }

    /// Adds what a command, the `at.1`th of batch `at.0`, has added to its room. `role` is what the entry says of one.
    pub(crate) fn push(&mut self, at: (u32, u32), seq: u64, time_us: i64, role: Option<Role>) {
        self.entries.push(New { batch: at.0, command: at.1, seq, time_us, role });
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The events, in order, of the batches that were applied.
    pub fn events<B: AsRef<Batch>>(&self, batches: &[B]) -> impl Iterator<Item = RoomEvent> {
        self.entries.iter().map(|new| {
            let command = &batches[new.batch as usize].as_ref().commands[new.command as usize];
            new.event(command)
        })
    }
}

impl New {
    fn event(&self, command: &Command) -> RoomEvent {
        let Command { actor, content, action, .. } = command;
        let visibility = match action {
            Action::CreateRoom { visibility, .. } => Some(*visibility),
            _ => None,
        };
        let entry = Entry {
            seq: self.seq,
            time_us: self.time_us,
            kind: action.kind().expect("what adds an entry has a kind"),
            actor: *actor,
            person: action.person(),
            target: action.target(),
            role: self.role,
            visibility,
            content: content.open(),
            changed_by: 0,
        };
        RoomEvent { room: action.room().expect("what adds an entry has a room"), entry }
    }
}
