//! The same commands give the same state, however they are cut into batches, whatever is cached, whoever restarts.

use std::collections::HashSet;

use proptest::prelude::*;

use super::any_commands;
use crate::batch::Batch;
use crate::command::Command;
use crate::entry::RoomEvent;
use crate::outcome::Outcome;
use crate::rows::{MemRows, Table};
use crate::shard::Shard;
use crate::testkit::SHARD;

struct Run {
    rows: MemRows,
    root: [u8; 32],
    outcomes: Vec<Outcome>,
    events: Vec<RoomEvent>,
}

/// Commands in batches whose sizes come round.
fn batches(commands: &[Command], sizes: &[usize]) -> Vec<Batch> {
    let (mut rest, mut sizes) = (commands, sizes.iter().cycle());
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(*sizes.next().expect("at least one size")));
        rest = later;
        batches.push(Batch { commands: now.to_vec() });
    }
    batches
}

/// Applies batches, `joined` of them together.
fn run(batches: &[Batch], joined: usize, cached: usize, reload: bool) -> Run {
    let mut rows = MemRows::default();
    let Ok(mut shard) = Shard::load_with_caches(SHARD, &rows, cached, cached);
    let (mut outcomes, mut events) = (Vec::new(), Vec::new());
    for together in batches.chunks(joined) {
        let Ok(applied) = shard.apply(&rows, &together.iter().collect::<Vec<_>>());
        let keys: HashSet<_> = applied.changes.iter().map(|c| (c.table, c.key.to_vec())).collect();
        assert_eq!(keys.len(), applied.changes.len(), "one final value per row");
        rows.commit(&applied.changes);
        outcomes.extend(applied.outcomes);
        events.extend(applied.news.events(together));
        if reload {
            let Ok(again) = Shard::load_with_caches(SHARD, &rows, cached, cached);
            shard = again;
        }
    }
    Run { root: shard.record_root(), rows, outcomes, events }
}

proptest! {
    #[test]
    fn commits_caches_and_restarts_change_nothing(
        commands in any_commands(),
        sizes in prop::collection::vec(1usize..20, 1..8),
        joined in 2usize..6,
        cached in 0usize..6,
        reload: bool,
    ) {
        let batches = batches(&commands, &sizes);
        let one = run(&batches, 1, 1_000, false);
        let other = run(&batches, joined, cached, reload);
        prop_assert_eq!(one.outcomes, other.outcomes);
        prop_assert_eq!(one.events, other.events);
        prop_assert_eq!(one.root, other.root);
        prop_assert_eq!(one.rows, other.rows);
    }

    #[test]
    fn how_commands_are_cut_into_batches_shows_only_in_blocks(
        commands in any_commands(),
        sizes in prop::collection::vec(1usize..20, 1..8),
    ) {
        let one = run(&batches(&commands, &[commands.len()]), 1, 1_000, false);
        let other = run(&batches(&commands, &sizes), 1, 1_000, false);
        prop_assert_eq!(&one.outcomes, &other.outcomes);
        prop_assert_eq!(&one.events, &other.events);
        prop_assert_eq!(one.root, other.root);
        let others = |run: &Run| {
            let rows = run.rows.iter().filter(|(table, ..)| !matches!(table, Table::Event | Table::Record | Table::Dedup));
            rows.map(|(table, key, value)| (table, key.to_vec(), value.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&one), others(&other));
    }
}

#[test]
fn full_rows_of_leaves_are_written_and_reloaded() {
    use crate::rows::Rows;
    let mut world = crate::testkit::World::with_room(crate::room::Visibility::Private);
    for seq in 2..=600 {
        assert_eq!(world.say(crate::testkit::ANN, "x"), Ok(seq));
        if seq % 97 == 0 || seq == 256 || seq == 512 {
            world.reload();
        }
    }
    let row = |n: u64| {
        let Ok(row) = world.rows.get(Table::Leaves, &n.to_be_bytes());
        row.map(|row| row.len())
    };
    assert_eq!((row(0), row(1), row(2)), (Some(8_192), Some(8_192), None));
}
