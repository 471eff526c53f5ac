//! The whole store against a model, with power cuts at any step: acked is kept, unacked is kept in order or not at all.

// Operations are queued at the call; what is not awaited here is awaited by what comes after.
#![allow(clippy::let_underscore_future)]

mod common;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::*;
use hansard_domain::Rows;
use hansard_storage::{LogEntry, SimDisk, Store, Vote, WriterMode};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append { shard: u8, count: u64, size: usize, newer: bool },
    Vote { shard: u8 },
    Truncate { shard: u8, back: u64 },
    Apply { shard: u8, count: u64 },
    Purge { shard: u8, keep: u64 },
    Pump,
    Flush,
    Mark,
    Cut { tear: bool, dice: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let shard = 1u8..4;
    prop_oneof![
        8 => (shard.clone(), 1u64..6, 0usize..3_000, prop::bool::weighted(0.1))
            .prop_map(|(shard, count, size, newer)| Step::Append { shard, count, size, newer }),
        2 => shard.clone().prop_map(|shard| Step::Vote { shard }),
        1 => (shard.clone(), 1u64..6).prop_map(|(shard, back)| Step::Truncate { shard, back }),
        4 => (shard.clone(), 1u64..9).prop_map(|(shard, count)| Step::Apply { shard, count }),
        3 => (shard, 0u64..5).prop_map(|(shard, keep)| Step::Purge { shard, keep }),
        8 => Just(Step::Pump),
        2 => Just(Step::Flush),
        1 => Just(Step::Mark),
        2 => (any::<bool>(), any::<u64>()).prop_map(|(tear, dice)| Step::Cut { tear, dice }),
    ]
}

/// A shard's log as it is after some operation.
#[derive(Clone, Debug, Default, PartialEq)]
struct Log {
    entries: BTreeMap<u64, (u64, usize)>,
    purged: Option<(u64, u64)>,
    vote: Option<Vote>,
}

#[derive(Default)]
struct Model {
    /// States since the last acked one, that one first.
    states: Vec<Log>,
    /// How many of `states` are acked: counted by callbacks.
    acked: Arc<Mutex<usize>>,
    applied: u64,
    term: u64,
}

impl Model {
    fn new() -> Self {
        Self { states: vec![Log::default()], term: 1, ..Self::default() }
    }

    fn now(&self) -> &Log {
        self.states.last().unwrap()
    }

    fn last(&self) -> u64 {
        let log = self.now();
        log.entries.last_key_value().map_or(log.purged.map_or(0, |p| p.1), |(index, _)| *index)
    }

    fn push(&mut self, log: Log) -> hansard_storage::Done {
        self.states.push(log);
        let (acked, number) = (Arc::clone(&self.acked), self.states.len() - 1);
        Box::new(move |outcome| {
            if outcome.is_ok() {
                let mut acked = acked.lock().unwrap();
                assert!(*acked <= number, "callbacks out of order");
                *acked = number;
            }
        })
    }
}

fn payload(index: u64, size: usize) -> Vec<u8> {
    vec![index as u8; size]
}

fn read(store: &Store, shard: u8) -> Log {
    let shard = store.shard(id(shard)).unwrap();
    let bounds = shard.log().bounds();
    let from = bounds.purged.map_or(1, |(_, index)| index + 1);
    let mut log = Log { purged: bounds.purged, vote: shard.log().vote(), ..Log::default() };
    for entry in shard.log().read(from, u64::MAX, usize::MAX).unwrap() {
        assert_eq!(entry.payload, payload(entry.index, entry.payload.len()));
        log.entries.insert(entry.index, (entry.term, entry.payload.len()));
    }
    let last = log.entries.last_key_value().map(|(index, (term, _))| (*term, *index)).or(bounds.purged);
    assert_eq!(last, bounds.last);
    log
}

/// Waits are not possible before a pump, so the handle is dropped: the callback in the queue counts all the same.
fn submit(store: &Store, models: &mut BTreeMap<u8, Model>, step: &Step) {
    match *step {
        Step::Append { shard, count, size, newer } => {
            let model = models.get_mut(&shard).unwrap();
            model.term += u64::from(newer);
            let (mut log, first) = (model.now().clone(), model.last() + 1);
            let new: Vec<_> = (first..first + count).map(|i| LogEntry::new(model.term, i, &payload(i, size))).collect();
            // A torn write may keep some of the entries: each one is a state.
            let mut done: hansard_storage::Done = Box::new(|_| {});
            for entry in &new {
                log.entries.insert(entry.index, (entry.term, size));
                done = model.push(log.clone());
            }
            store.shard(id(shard)).unwrap().log().append(&new, done);
        }
        Step::Vote { shard } => {
            let model = models.get_mut(&shard).unwrap();
            model.term += 1;
            let vote = Vote { term: model.term, node: u64::from(shard), committed: false };
            let mut log = model.now().clone();
            log.vote = Some(vote);
            drop(model.push(log));
            let _ = store.shard(id(shard)).unwrap().log().save_vote(vote);
        }
        Step::Truncate { shard, back } => {
            let model = models.get_mut(&shard).unwrap();
            let keep = model.last().saturating_sub(back);
            // Consensus cuts only what was not committed, and so not applied.
            if keep < model.applied || keep == 0 || keep == model.last() {
                return;
            }
            let mut log = model.now().clone();
            log.entries.split_off(&(keep + 1));
            drop(model.push(log));
            let _ = store.shard(id(shard)).unwrap().log().truncate_after(Some(keep));
        }
        Step::Purge { shard, keep } => {
            let model = models.get_mut(&shard).unwrap();
            let handle = store.shard(id(shard)).unwrap();
            let upto = handle.rows().durable().map_or(0, |(_, index)| index).saturating_sub(keep);
            let Some((term, _)) = model.now().entries.get(&upto).copied() else {
                return;
            };
            let mut log = model.now().clone();
            log.entries = log.entries.split_off(&(upto + 1));
            log.purged = Some((term, upto));
            drop(model.push(log));
            let _ = handle.log().purge((term, upto));
        }
        _ => unreachable!("handled by the caller"),
    }
}

fn run(steps: Vec<Step>, seed: u64) {
    let mut rig = Rig::new(WriterMode::Manual);
    rig.disk = SimDisk::new(seed);
    rig.options.log_target_bytes = 256 << 10;
    rig.options.tail_cache_bytes = 8 << 10;
    let mut store = rig.open();
    let mut models: BTreeMap<u8, Model> = (1..4).map(|n| (n, Model::new())).collect();
    models.keys().for_each(|n| drop(store.shard(id(*n)).unwrap()));
    for step in steps {
        match step {
            Step::Pump => {
                store.pump();
                // All was synced; operations without a callback of the model's are acked by those after them.
                models.values().for_each(|m| *m.acked.lock().unwrap() = m.states.len() - 1);
            }
            Step::Flush => store.flush().unwrap(),
            Step::Mark => store.sync_mark(),
            Step::Apply { shard, count } => {
                let model = models.get_mut(&shard).unwrap();
                let upto = (model.applied + count).min(model.last());
                let Some((term, _)) = model.now().entries.get(&upto).copied() else {
                    continue;
                };
                for index in model.applied + 1..=upto {
                    let term = model.now().entries.get(&index).map_or(term, |(t, _)| *t);
                    let changes = vec![put("applied", &index.to_string())];
                    store.shard(id(shard)).unwrap().rows().commit(changes, mark(term, index)).unwrap();
                }
                model.applied = upto;
            }
            Step::Cut { tear, dice } => {
                if tear {
                    let faults =
                        hansard_storage::disk::SimDiskFaults { sync_error_after: Some(dice % 2), ..Default::default() };
                    rig.disk.set_faults(faults);
                    store.pump();
                }
                rig.power_cut(dice);
                drop(store);
                store = rig.open();
                check(&store, &mut models);
            }
            other => submit(&store, &mut models, &other),
        }
        for (shard, model) in &models {
            assert_eq!(&read(&store, *shard), model.now(), "what was submitted is readable");
        }
    }
}

/// After a cut: each shard's log is a state between the last acked one and the last submitted one, unless its rows
/// were ahead of it; and the rows are at least what was flushed.
fn check(store: &Store, models: &mut BTreeMap<u8, Model>) {
    for (shard, model) in models.iter_mut() {
        let log = read(store, *shard);
        let rows = store.shard(id(*shard)).unwrap().rows();
        let applied = rows.applied().map_or(0, |m| m.index);
        let row = rows.get(hansard_domain::Table::Event, b"applied").unwrap();
        assert_eq!(row.map_or(0, |v| String::from_utf8(v.to_vec()).unwrap().parse().unwrap()), applied);
        let acked = *model.acked.lock().unwrap();
        let reset = log.entries.is_empty() && log.purged.is_some_and(|(_, index)| index == applied);
        let known = model.states[acked..].contains(&log);
        assert!(known || reset, "shard {shard}: {log:?} is none of {:?}", &model.states[acked..]);
        let votes: Vec<_> = model.states[acked..].iter().map(|s| s.vote).collect();
        assert!(votes.contains(&log.vote));
        let (term, applied_before) = (model.term, applied);
        *model = Model { states: vec![log], applied: applied_before, term, ..Model::default() };
    }
}

proptest! {
    #[test]
    fn acked_survives(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        run(steps, seed);
    }
}
