//! A failing disk and a full one.

mod common;

use std::sync::{Arc, Mutex};

use common::*;
use hansard_domain::Rows;
use hansard_storage::disk::SimDiskFaults;
use hansard_storage::{LogEntry, Vote, WriterMode};

fn outcome() -> (Arc<Mutex<Option<bool>>>, hansard_storage::Done) {
    let seen = Arc::new(Mutex::new(None));
    let theirs = Arc::clone(&seen);
    (seen, Box::new(move |outcome| *theirs.lock().unwrap() = Some(outcome.is_ok())))
}

#[test]
fn a_failed_sync_is_reported_is_fatal_and_is_not_retried() {
    for faults in [
        SimDiskFaults { sync_error_after: Some(0), ..SimDiskFaults::default() },
        SimDiskFaults { write_error_after: Some(0), ..SimDiskFaults::default() },
    ] {
        let rig = Rig::new(WriterMode::Manual);
        let store = rig.open();
        let shard = store.shard(id(1)).unwrap();
        store.pump();
        rig.disk.set_faults(faults);
        let (first, done) = outcome();
        shard.log().append(&entries(1, 1, 3), done);
        let vote = shard.log().save_vote(Vote { term: 1, node: 1, committed: true });
        let fsyncs = store.stats().view().fsyncs;
        store.pump();
        assert_eq!((*first.lock().unwrap(), rig.fatals()), (Some(false), 1));
        assert!(vote.wait().is_err());
        // The disk works again, the log does not.
        let (second, done) = outcome();
        shard.log().append(&entries(1, 3, 4), done);
        store.pump();
        assert_eq!((*second.lock().unwrap(), rig.fatals()), (Some(false), 1));
        assert_eq!(store.stats().view().fsyncs, fsyncs);
        assert!(store.close().is_err());
    }
}

/// After a failed sync the kernel holds what was not written as if it were: a node that starts again must not believe it.
#[test]
fn what_a_failed_sync_left_in_memory_is_on_the_disk_after_a_restart() {
    for seed in 0..50 {
        let mut rig = Rig::new(WriterMode::Manual);
        rig.disk = hansard_storage::SimDisk::new(seed);
        let store = rig.open();
        let shard = store.shard(id(1)).unwrap();
        shard.log().append(&entries(1, 1, 101), Box::new(|_| {}));
        rig.disk.set_faults(SimDiskFaults { sync_error_after: Some(0), ..SimDiskFaults::default() });
        store.pump();
        assert_eq!(rig.fatals(), 1);
        rig.disk.kill();
        let store = rig.open();
        let shard = store.shard(id(1)).unwrap();
        let last = shard.log().bounds().last.map_or(0, |(_, index)| index);
        shard.log().append(&entries(2, last + 1, last + 11), ignore());
        store.pump();
        rig.power_cut(seed);
        assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len() as u64, last + 10, "seed {seed}");
    }
}

/// A disk with room for the ballast and a few segments.
fn tight() -> Rig {
    let mut rig = Rig::new(WriterMode::Inline);
    rig.options.ballast_bytes = 256 << 10;
    rig.options.free_ballast_below = 128 << 10;
    rig.options.stop_accepting_below = 256 << 10;
    rig.options.log_target_bytes = 64 << 20;
    rig.disk.set_faults(SimDiskFaults { capacity: Some(1200 << 10), ..SimDiskFaults::default() });
    rig
}

#[test]
fn a_filling_disk_stops_proposals_first_then_frees_the_ballast() {
    let rig = tight();
    let store = rig.open();
    assert!(store.accepting() && store.pressure().ballast);
    let shard = store.shard(id(1)).unwrap();
    let (mut index, mut stopped_at) = (0, None);
    while store.pressure().ballast {
        index += 1;
        append(&shard, &[LogEntry::new(1, index, &[1; 10_000])]);
        store.probe_space();
        if !store.accepting() && stopped_at.is_none() {
            stopped_at = Some(index);
            assert!(store.pressure().ballast, "proposals stop before the ballast goes");
        }
    }
    assert!(stopped_at.is_some_and(|at| at < index));
    // Votes and what replication brings still fit.
    shard.log().save_vote(Vote { term: 2, node: 1, committed: true }).wait().unwrap();
    for _ in 0..10 {
        index += 1;
        append(&shard, &[LogEntry::new(1, index, &[1; 10_000])]);
    }
    assert_eq!(rig.fatals(), 0);
    // Room comes back with a purge: the ballast is put back, proposals are taken again.
    apply_to(&shard, 1, index);
    shard.log().purge((1, index)).wait().unwrap();
    store.probe_space();
    assert!(store.pressure().ballast);
    store.probe_space();
    assert!(store.accepting());
}

#[test]
fn a_full_disk_is_fatal_and_loses_nothing_acked() {
    let mut rig = tight();
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    let mut acked = 0;
    for index in 1..1_000 {
        let (seen, done) = outcome();
        shard.log().append(&[LogEntry::new(1, index, &[1; 10_000])], done);
        if *seen.lock().unwrap() != Some(true) {
            break;
        }
        acked = index;
    }
    assert!(acked > 20 && acked < 999);
    assert_eq!(rig.fatals(), 1);
    assert!(!store.accepting());
    rig.power_cut(3);
    rig.disk.set_faults(SimDiskFaults::default());
    let store = rig.open();
    assert_eq!(indexes(&store.shard(id(1)).unwrap()).len() as u64, acked);
}

/// A replica that cannot read its own state or log is none: it must not stay and answer errors.
#[test]
fn damage_that_is_read_is_fatal() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    apply_to(&shard, 1, 1);
    (0..64).for_each(|dice| assert!(rig.engine.damage(dice)));
    assert!(shard.rows().scan(hansard_domain::Table::Event, &[], &[0xff; 9], false, &mut |_, _| true).is_err());
    assert_eq!(rig.fatals(), 1);

    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    // Longer than what is kept in memory, so that the first entry is read from the disk.
    for index in 1..=120 {
        append(&shard, &[LogEntry::new(1, index, &[1; 3_000])]);
    }
    assert_eq!(shard.log().read(1, 2, usize::MAX).unwrap().len(), 1);
    rig.disk.edit(CURRENT, |bytes| bytes.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 3));
    assert!(shard.log().read(1, 2, usize::MAX).is_err());
    assert_eq!(rig.fatals(), 1);
}
