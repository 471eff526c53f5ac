//! The log's contract: order, durability, isolation, purges, reopening.

// Operations are queued at the call; what is not awaited here is awaited by what comes after.
#![allow(clippy::let_underscore_future)]

mod common;
use std::sync::{Arc, Mutex};

use common::*;
use hansard_storage::disk::{SimDisk, SimDiskFaults};
use hansard_storage::{LogBounds, LogEntry, Vote, WriterMode};

#[test]
fn entries_are_readable_on_return_and_called_back_only_after_the_sync() {
    let rig = Rig::new(WriterMode::Manual);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    let done = Arc::new(Mutex::new(false));
    let theirs = Arc::clone(&done);
    shard.log().append(&entries(1, 1, 4), Box::new(move |o| *theirs.lock().unwrap() = o.is_ok()));
    assert_eq!(indexes(&shard), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(shard.log().bounds(), LogBounds { purged: None, last: Some((1, 3)) });
    assert!(!*done.lock().unwrap());
    let before = store.stats().view().fsyncs;
    store.pump();
    assert!(*done.lock().unwrap());
    assert_eq!(store.stats().view().fsyncs, before + 1);
}

#[test]
fn one_sync_serves_all_shards_and_callbacks_come_in_order() {
    let rig = Rig::new(WriterMode::Manual);
    let store = rig.open();
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: String| {
        let order = Arc::clone(&order);
        Box::new(move |_| order.lock().unwrap().push(what))
    };
    for shard in 1..=5u8 {
        let log = store.shard(id(shard)).unwrap().log();
        log.append(&entries(1, 1, 3), note(format!("append {shard}")));
        let _ = log.save_vote(Vote { term: 2, node: 9, committed: false });
        log.append(&entries(2, 3, 4), note(format!("more {shard}")));
    }
    let before = store.stats().view();
    store.pump();
    let after = store.stats().view();
    assert_eq!((after.fsyncs - before.fsyncs, after.batches - before.batches), (1, 1));
    let expected: Vec<String> = (1..=5).flat_map(|s| [format!("append {s}"), format!("more {s}")]).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}

/// The longest prefix property: a vote is never durable without the appends before it, nor the other way round.
#[test]
fn votes_and_appends_are_never_reordered_by_a_crash() {
    for seed in 0..60 {
        let mut rig = Rig::new(WriterMode::Manual);
        rig.disk = hansard_storage::SimDisk::new(seed);
        let store = rig.open();
        let log = store.shard(id(1)).unwrap().log();
        for round in 1..=12u64 {
            log.append(&[LogEntry::new(round, round, &[7; 700])], Box::new(|_| {}));
            let _ = log.save_vote(Vote { term: round, node: 1, committed: true });
        }
        // The power goes while the one batch is written: its sectors are kept or lost by the dice.
        rig.disk.set_faults(SimDiskFaults { sync_error_after: Some(0), ..Default::default() });
        store.pump();
        rig.power_cut(seed);
        let store = rig.open();
        let log = store.shard(id(1)).unwrap().log();
        let last = log.bounds().last.map_or(0, |(_, index)| index);
        let vote = log.vote().map_or(0, |v| v.term);
        assert!(vote == last || vote + 1 == last, "seed {seed}: entry {last} and vote {vote}");
    }
}

#[test]
fn everything_acked_survives_a_power_cut() {
    let mut rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 1, 20));
    shard.log().save_vote(Vote { term: 3, node: 5, committed: true }).wait().unwrap();
    shard.log().truncate_after(Some(12)).wait().unwrap();
    append(&shard, &entries(3, 13, 15));
    apply_to(&shard, 1, 5);
    shard.log().purge((1, 4)).wait().unwrap();
    let expected = indexes(&shard);
    assert_eq!(expected.first(), Some(&(1, 5)));
    assert_eq!(expected.last(), Some(&(3, 14)));
    rig.power_cut(0);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    assert_eq!(indexes(&shard), expected);
    assert_eq!(shard.log().vote(), Some(Vote { term: 3, node: 5, committed: true }));
    assert_eq!(shard.log().bounds(), LogBounds { purged: Some((1, 4)), last: Some((3, 14)) });
    assert_eq!(shard.log().read(13, 14, 1).unwrap()[0].payload, "entry 3.13");
}

#[test]
fn a_start_makes_durable_what_the_process_before_left_in_memory() {
    for after in 0..120 {
        for fails in [
            SimDiskFaults { sync_error_after: Some(after), ..SimDiskFaults::default() },
            SimDiskFaults { write_error_after: Some(after), ..SimDiskFaults::default() },
        ] {
            let mut rig = Rig::new(WriterMode::Inline);
            rig.disk = SimDisk::new(after);
            let store = rig.open();
            let shard = store.shard(id(1)).unwrap();
            rig.disk.set_faults(fails);
            for index in 1.. {
                shard.log().append(&[LogEntry::new(1, index, &[7; 6_000])], Box::new(|_| {}));
                if rig.disk.struck() > 0 {
                    break;
                }
            }
            drop((shard, store));
            rig.disk.kill();
            let store = rig.open();
            let shard = store.shard(id(1)).unwrap();
            let last = indexes(&shard).last().map_or(0, |(_, index)| *index);
            append(&shard, &entries(1, last + 1, last + 4));
            drop((shard, store));
            rig.power_cut(0);
            let store = rig.try_open().unwrap_or_else(|error| panic!("{fails:?}: {error}"));
            let shard = store.shard(id(1)).unwrap();
            assert_eq!(indexes(&shard).last(), Some(&(1, last + 3)), "{fails:?}");
        }
    }
}

#[test]
fn shards_do_not_see_each_other() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let (a, b) = (store.shard(id(1)).unwrap(), store.shard(id(2)).unwrap());
    append(&a, &entries(1, 1, 10));
    append(&b, &entries(7, 1, 3));
    a.log().truncate_after(Some(4)).wait().unwrap();
    a.log().save_vote(Vote { term: 9, node: 9, committed: false }).wait().unwrap();
    apply_to(&a, 1, 4);
    a.log().purge((1, 4)).wait().unwrap();
    store.remove_shard(id(1)).unwrap();
    assert_eq!(indexes(&b), [(7, 1), (7, 2)]);
    assert_eq!(b.log().vote(), None);
    assert!(a.rows().commit(Vec::new(), mark(1, 5)).is_err());
    drop((a, b, store));
    let store = rig.open();
    assert_eq!(store.shards(), [id(2)]);
    assert_eq!(indexes(&store.shard(id(2)).unwrap()), [(7, 1), (7, 2)]);
    assert_eq!(store.shard(id(1)).unwrap().log().bounds(), LogBounds::default());
    assert_eq!(store.shard(id(1)).unwrap().rows().applied(), None);
}

#[test]
fn a_long_log_rotates_purges_and_gives_segments_back() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let (busy, quiet) = (store.shard(id(1)).unwrap(), store.shard(id(2)).unwrap());
    append(&quiet, &entries(1, 1, 6));
    quiet.log().save_vote(Vote { term: 1, node: 3, committed: true }).wait().unwrap();
    for index in 1..=2_000u64 {
        append(&busy, &[LogEntry::new(1, index, &[index as u8; 3_000])]);
        if index % 100 == 0 {
            apply_to(&busy, 1, index);
            busy.log().purge((1, index - 10)).wait().unwrap();
        }
    }
    let stats = store.stats().view();
    assert!(stats.log_bytes <= 2 << 20, "{} bytes of log", stats.log_bytes);
    assert!(stats.relocated_entries >= 5, "the quiet shard's entries moved on");
    assert!(rig.disk.names().len() < 48, "{:?}", rig.disk.names());
    for _ in 0..2 {
        rig.disk.kill();
        let store = rig.open();
        let (busy, quiet) = (store.shard(id(1)).unwrap(), store.shard(id(2)).unwrap());
        assert_eq!(indexes(&quiet), (1..6).map(|i| (1, i)).collect::<Vec<_>>());
        assert_eq!(quiet.log().vote(), Some(Vote { term: 1, node: 3, committed: true }));
        assert_eq!(indexes(&busy), (1_991..=2_000).map(|i| (1, i)).collect::<Vec<_>>());
        assert_eq!(busy.log().read(1_995, 1_996, 1).unwrap()[0].payload, vec![(1_995u64 % 256) as u8; 3_000]);
    }
}

#[test]
fn who_keeps_the_log_too_long_is_named_and_purging_that_makes_it_short() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let (quiet, busy) = (store.shard(id(1)).unwrap(), store.shard(id(2)).unwrap());
    append(&quiet, &entries(1, 1, 3));
    let segment = rig.options.segment_bytes;
    assert_eq!(store.log_beyond(0), [], "the segment that is written to is kept");
    for index in 1..=50 {
        append(&busy, &[LogEntry::new(1, index, &[7; 9_000])]);
    }
    let length = store.stats().view().log_bytes;
    assert!(length >= 6 * segment, "{length}");
    assert_eq!(store.log_beyond(length), []);
    let beyond = store.log_beyond(2 * segment);
    let [(first, 2), (second, kept)] = beyond[..] else { panic!("{beyond:?}") };
    assert_eq!((first, second), (id(1), id(2)));
    assert!((20..50).contains(&kept), "{kept}");
    for (shard, index) in [(&quiet, 2), (&busy, kept)] {
        apply_to(shard, 1, index);
        shard.log().purge((1, index)).wait().unwrap();
    }
    assert_eq!(store.log_beyond(2 * segment), []);
    assert_eq!(store.stats().view().log_bytes, 2 * segment);
    assert_eq!(busy.log().bounds().purged, Some((1, kept)));
}

#[test]
#[should_panic(expected = "may not be purged")]
fn the_log_is_not_purged_beyond_what_is_durable() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 1, 5));
    shard.rows().commit(vec![put("a", "b")], mark(1, 3)).unwrap();
    let _ = shard.log().purge((1, 3));
}

#[test]
#[should_panic(expected = "leaves a hole")]
fn holes_are_refused() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    shard.log().append(&entries(1, 1, 3), ignore());
    shard.log().append(&entries(1, 4, 5), ignore());
}

#[test]
fn reads_are_bounded_by_bytes_and_come_back_from_disk() {
    let mut rig = Rig::new(WriterMode::Inline);
    rig.options.tail_cache_bytes = 4_000;
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    for index in 1..=100 {
        append(&shard, &[LogEntry::new(2, index, &[index as u8; 500])]);
    }
    assert!(store.stats().view().tail_cache_bytes <= 4_000);
    let some = shard.log().read(10, 90, 2_000).unwrap();
    assert_eq!(some.iter().map(|e| e.index).collect::<Vec<_>>(), [10, 11, 12]);
    assert_eq!(shard.log().read(10, 90, 1).unwrap().len(), 1);
    assert_eq!(shard.log().read(101, 200, 1_000).unwrap().len(), 0);
    let all = shard.log().read(1, 101, usize::MAX).unwrap();
    assert!(all.iter().all(|e| e.payload == vec![e.index as u8; 500]));
    assert!(store.stats().view().log_disk_reads > 0);
}

#[test]
fn a_callback_may_append_again() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    let log = shard.log();
    shard.log().append(&entries(1, 1, 3), Box::new(move |_| log.append(&entries(1, 3, 5), ignore())));
    assert_eq!(indexes(&shard).len(), 4);
    rig.disk.crash();
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 4);
}
