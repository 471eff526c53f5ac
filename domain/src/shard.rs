//! The state machine of a room shard. [`Shard::apply`] is its sole transition.

use crate::authorize::{Facts, Target, authorize};
use crate::batch::Batch;
use crate::command::{Action, Command};
use crate::commands::{self, Allowed};
use crate::dedup::DedupRow;
use crate::erased::{Erased, Guard, Unread};
use crate::event::{ContentState, EventRow};
use crate::head::Head;
use crate::ids::ShardId;
use crate::keys;
use crate::limits::{CACHED_MEMBERS, CACHED_ROOMS, LEAVES_PER_ROW};
use crate::news::News;
use crate::outcome::Outcome;
use crate::read;
use crate::refusal::Refusal;
use crate::requests;
use crate::rows::{Change, Rows, Table};
use crate::stage::{Stage, Warm, sound};
use crate::tree::{Frontier, Hash};

/// A room shard: its head, its record's tree, and the rooms and members that were lately used.
pub struct Shard {
    id: ShardId,
    warm: Warm,
    /// A batch failed half-way: the memory may be ahead of the rows.
    torn: bool,
}

/// What batches did.
#[derive(Debug, Default)]
pub struct Applied {
    /// One for each command, in their order.
    pub outcomes: Vec<Outcome>,
    /// To be committed, all at once, before anything else is applied. One for each row.
    pub changes: Vec<Change>,
    /// To be told to followers, once the changes are committed; by a serving replica only.
    pub news: News,
}

impl Shard {
    /// The shard as its rows say.
    pub fn load<R: Rows>(id: ShardId, rows: &R) -> Result<Self, R::Error> {
        Self::load_with_caches(id, rows, CACHED_ROOMS, CACHED_MEMBERS)
    }

    /// The same, with other bounds on what it remembers, in rows.
    pub fn load_with_caches<R: Rows>(id: ShardId, rows: &R, rooms: usize, members: usize) -> Result<Self, R::Error> {
        let (head, tail) = load_head(id, rows)?;
        Ok(Self { id, warm: Warm::new(head, tail, rooms, members), torn: false })
    }

    /// Its id.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The tree over its record.
    pub fn record(&self) -> &Frontier {
        &self.warm.head.frontier
    }

    /// How many entries its record has.
    pub fn record_size(&self) -> u64 {
        self.warm.head.frontier.size()
    }

    /// The RFC 6962 root of its record.
    pub fn record_root(&self) -> [u8; 32] {
        self.warm.head.frontier.root()
    }

    /// The time of its newest entry, microseconds UTC.
    pub fn last_us(&self) -> i64 {
        self.warm.head.last_us
    }

    /// Applies batches, in order, to `rows`, which must hold the changes of all batches before. Deterministic: the same
    /// commands in the same order give the same outcomes, however they are cut into batches; and the same batches give the
    /// same rows, however many are applied together. After an error only a new [`Shard::load`] helps; this one refuses to
    /// go on.
    pub fn apply<R: Rows>(&mut self, rows: &R, batches: &[&Batch]) -> Result<Applied, R::Error> {
        assert!(!self.torn, "a batch failed half-way: load the shard again");
        self.torn = true;
        let guard = Guard::new(rows);
        let applied = self.apply_erased(Erased::new(&guard), batches);
        let applied = guard.release(applied)?;
        self.torn = false;
        Ok(applied)
    }

    fn apply_erased(&mut self, rows: Erased<'_>, batches: &[&Batch]) -> Result<Applied, Unread> {
        let commands = batches.iter().map(|batch| batch.commands.len()).sum();
        let mut stage = Stage::new(self.id, rows, &mut self.warm, commands);
        let mut outcomes = Vec::with_capacity(commands);
        for (batch, number) in batches.iter().zip(0..) {
            if number > 0 {
                stage.end_batch();
            }
            stage.begin_batch(number, &batch.commands);
            for (command, at) in batch.commands.iter().zip(0..) {
                stage.begin(at, command);
                outcomes.push(apply_one(&mut stage, command)?);
            }
        }
        let (changes, news) = stage.finish();
        Ok(Applied { outcomes, changes, news })
    }
}

fn apply_one(stage: &mut Stage<'_>, command: &Command) -> Result<Outcome, Unread> {
    let owner = requests::owner(command);
    if let Some(row) = stage.first_answer(&owner, command.request)? {
        let outcome = row.settle(command, |seq| match command.action.room() {
            Some(room) => stage.event(room, seq),
            None => Ok(None),
        })?;
        if outcome == Outcome::Refused(Refusal::RequestReused) {
            commands::refused::record(stage, command, Refusal::RequestReused);
        }
        return Ok(outcome);
    }
    let (outcome, proof) = match decide(stage, command)? {
        Ok(rule) => match commands::apply(stage, &Allowed { command, rule })? {
            commands::Done::New(outcome, proof) => (outcome, proof),
            commands::Done::Already(outcome) => return Ok(outcome),
        },
        Err(refusal) => {
            let proof = commands::refused::record(stage, command, refusal);
            if !refusal.is_final() {
                return Ok(Outcome::Refused(refusal));
            }
            (Outcome::Refused(refusal), proof)
        }
    };
    stage.keep_answer(&owner, command.request, |out| {
        DedupRow::encode_to(out, command.action.number(), &outcome, &proof, |out| command.action.encode_fields(out));
    })?;
    Ok(outcome)
}

/// Checks again what may have changed since the permit; says by which rule it is still allowed.
fn decide(stage: &mut Stage<'_>, command: &Command) -> Result<Result<u16, Refusal>, Unread> {
    if command.policy < stage.warm.head.policy {
        return Ok(Err(Refusal::PolicyChanged));
    }
    stage.warm.head.policy = command.policy;
    let Some(room) = command.action.room().filter(|_| !matches!(command.action, Action::Refused { .. })) else {
        return Ok(authorize(command.actor, &command.action, &Facts::default()).map(|rule| rule.number()));
    };
    stage.load_room(room)?;
    stage.load_member(room, command.actor)?;
    let person = command.action.person();
    if let Some(person) = person {
        stage.load_member(room, person)?;
    }
    let target = match command.action.target() {
        Some(seq) => stage.event(room, seq)?.as_ref().map(target_of),
        None => None,
    };
    let facts = Facts {
        room: stage.room(room),
        actor: stage.member(room, command.actor),
        subject: person.and_then(|person| stage.member(room, person)),
        target,
    };
    Ok(authorize(command.actor, &command.action, &facts).map(|rule| rule.number()))
}

pub(crate) fn target_of(row: &EventRow) -> Target {
    Target { author: row.actor, kind: row.kind, redacted: row.state == ContentState::Redacted }
}

/// Reads a shard's head, and makes the leaf hashes again that no full row holds yet; they must be those of the tree.
pub(crate) fn load_head<R: Rows>(id: ShardId, rows: &R) -> Result<(Head, Vec<Hash>), R::Error> {
    let head = match rows.get(Table::Head, keys::SINGLE)? {
        Some(row) => sound(Head::decode(&row), Table::Head),
        None => Head::default(),
    };
    let size = head.frontier.size();
    let full = size - size % LEAVES_PER_ROW;
    let mut tail = Vec::with_capacity(LEAVES_PER_ROW as usize);
    let mut again = Frontier::default();
    for index in full..size {
        let leaf = read::leaf(rows, id, index)?;
        let leaf = leaf.unwrap_or_else(|| {
            panic!("record entry {index} of shard {id} is lost: wipe this node and let it join again")
        });
        tail.push(leaf.hash());
        again.push(leaf.hash());
    }
    let nodes = head.frontier.nodes();
    let partial = &nodes[nodes.len() - again.nodes().len()..];
    assert_eq!(
        partial,
        again.nodes(),
        "the record of shard {id} does not fit its tree: wipe this node and let it join again"
    );
    Ok((head, tail))
}
