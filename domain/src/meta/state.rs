//! The meta group's state machine.

use super::apply;
use super::command::MetaBatch;
use super::outcome::MetaOutcome;
use super::rows::{
    META_ORDINAL, decode_cluster, decode_epoch, decode_moved, decode_node_row, decode_shard, decode_slots, decode_token,
};
use super::view::MetaView;
use crate::erased::{Erased, Guard, Unread};
use crate::ids::{PersonId, RoomId, ShardId};
use crate::keys;
use crate::rows::{Change, Rows, Table};
use crate::shard::load_head;
use crate::stage::{Stage, Warm, sound};
use crate::tree::Frontier;

/// The meta group's state: its view in memory, its people in rows.
pub struct Meta {
    view: MetaView,
    warm: Warm,
    /// A batch failed half-way: the memory may be ahead of the rows.
    torn: bool,
}

/// What a batch did.
#[derive(Debug, Default)]
pub struct MetaApplied {
    /// One for each command, in their order.
    pub outcomes: Vec<MetaOutcome>,
    /// To be committed, all at once, before the next batch is applied.
    pub changes: Vec<Change>,
}

impl Meta {
    /// The state as the rows say.
    pub fn load<R: Rows>(rows: &R) -> Result<Self, R::Error> {
        let (head, tail) = load_head(ShardId::META, rows)?;
        Ok(Self { view: load_view(rows)?, warm: Warm::new(head, tail, 0, 0), torn: false })
    }

    /// The cluster, as of the last batch.
    pub fn view(&self) -> &MetaView {
        &self.view
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

    /// Applies batches, in order, to `rows`, which must hold the changes of all batches before. Deterministic, as
    /// [`crate::Shard::apply`] is; after an error only a new [`Meta::load`] helps.
    pub fn apply<R: Rows>(&mut self, rows: &R, batches: &[&MetaBatch]) -> Result<MetaApplied, R::Error> {
        assert!(!self.torn, "a batch failed half-way: load the meta group again");
        self.torn = true;
        let guard = Guard::new(rows);
        let applied = self.apply_erased(Erased::new(&guard), batches);
        let applied = guard.release(applied)?;
        self.torn = false;
        Ok(applied)
    }

    fn apply_erased(&mut self, rows: Erased<'_>, batches: &[&MetaBatch]) -> Result<MetaApplied, Unread> {
        let commands = batches.iter().map(|batch| batch.commands.len()).sum();
        let mut stage = Stage::new(ShardId::META, rows, &mut self.warm, commands);
        let mut outcomes = Vec::with_capacity(commands);
        for (at, batch) in batches.iter().enumerate() {
            if at > 0 {
                stage.end_batch();
            }
            for command in &batch.commands {
                outcomes.push(apply::apply(&mut stage, &mut self.view, command)?);
            }
        }
        let (changes, _) = stage.finish();
        Ok(MetaApplied { outcomes, changes })
    }
}

fn load_view<R: Rows>(rows: &R) -> Result<MetaView, R::Error> {
    let mut view = MetaView::default();
    if let Some(row) = rows.get(Table::Cluster, keys::SINGLE)? {
        let (cluster, policy, revision) = sound(decode_cluster(&row), Table::Cluster);
        (view.cluster, view.policy, view.revision) = (Some(cluster), policy, revision);
    }
    if let Some(row) = rows.get(Table::Slot, keys::SINGLE)? {
        view.slots = sound(decode_slots(&row), Table::Slot);
    }
    each(rows, Table::Node, |_, value| {
        let node = sound(decode_node_row(value), Table::Node);
        view.nodes.insert(node.info.id, node);
    })?;
    let mut places = Vec::new();
    each(rows, Table::Shard, |key, value| {
        places.push(sound(decode_shard(ShardId::from_bytes(id(key)), value), Table::Shard));
    })?;
    places.sort_by_key(|(ordinal, _)| *ordinal);
    view.meta = places.pop_if(|(ordinal, _)| *ordinal == META_ORDINAL).map(|(_, place)| place);
    view.shards = places.into_iter().map(|(_, place)| place).collect();
    each(rows, Table::Moved, |key, value| {
        view.moved.insert(RoomId::from_bytes(id(key)), sound(decode_moved(value), Table::Moved));
    })?;
    each(rows, Table::Revoked, |_, value| {
        let (token, expires_s) = sound(decode_token(value), Table::Revoked);
        view.tokens.insert(token, expires_s);
    })?;
    each(rows, Table::Epoch, |key, value| {
        view.people.insert(PersonId::from_bytes(id(key)), sound(decode_epoch(value), Table::Epoch));
    })?;
    Ok(view)
}

fn each<R: Rows>(rows: &R, table: Table, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), R::Error> {
    rows.scan(table, &[], &keys::end_of(&[]), false, &mut |key, value| {
        visit(key, value);
        true
    })
}

fn id(key: &[u8]) -> [u8; 16] {
    key.try_into().expect("keys of this table are ids")
}
