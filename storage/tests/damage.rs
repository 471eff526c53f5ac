//! The damage table: what was acked is there, or the store refuses to open and changes nothing.

mod common;

use common::*;
use hansard_domain::ClusterId;
use hansard_storage::{FreshIdentity, OpenError, SimEngine, WriterMode};

/// The second tail mark.
const WITNESS: &str = "log/witness";

/// A store with three acked batches of entries, closed cleanly, so that the tail mark covers all of them.
fn filled() -> Rig {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    for batch in 0..3 {
        append(&shard, &entries(1, 1 + batch * 10, 11 + batch * 10));
    }
    store.sync_mark();
    rig
}

/// The offset of `needle` in the current segment.
fn find(rig: &Rig, needle: &str) -> usize {
    let mut at = 0;
    rig.disk.edit(CURRENT, |bytes| {
        at = bytes.windows(needle.len()).position(|w| w == needle.as_bytes()).expect("it is there");
    });
    at
}

fn refused(rig: &Rig) -> String {
    let files: Vec<String> = rig.disk.names();
    let error = rig.try_open().err().expect("the store refuses");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_eq!(rig.disk.names(), files, "nothing was removed");
    let text = error.to_string();
    assert!(text.contains("Keep this directory"), "{text}");
    text
}

#[test]
fn intact() {
    let rig = filled();
    rig.disk.crash();
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 30);
}

#[test]
fn one_bit_in_the_middle() {
    let rig = filled();
    for text in ["entry 1.1", "entry 1.15", "entry 1.29", "entry 1.30"] {
        let at = find(&rig, text);
        rig.disk.kill();
        rig.disk.flip_bit(CURRENT, at, 3);
        refused(&rig);
        rig.disk.flip_bit(CURRENT, at, 3);
    }
    rig.disk.kill();
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 30);
}

#[test]
fn one_bit_before_a_later_batch_even_without_the_mark() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 1, 11));
    append(&shard, &entries(1, 11, 12));
    rig.disk.crash();
    let at = find(&rig, "entry 1.5");
    rig.disk.flip_bit(CURRENT, at, 0);
    assert!(refused(&rig).contains("later batch"));
}

#[test]
fn cut_at_a_record_edge() {
    let rig = filled();
    rig.disk.kill();
    // From the start of the last record on, zeros: as if it had never been written.
    let at = find(&rig, "entry 1.30") - 21 - 32;
    rig.disk.edit(CURRENT, |bytes| bytes[at..].fill(0));
    assert!(refused(&rig).contains("synced up to"));
}

#[test]
fn cut_short() {
    let rig = filled();
    rig.disk.kill();
    let at = find(&rig, "entry 1.22");
    rig.disk.edit(CURRENT, |bytes| bytes.truncate(at));
    refused(&rig);
}

#[test]
fn both_headers_gone_but_one_is_enough() {
    let rig = filled();
    rig.disk.kill();
    rig.disk.edit(CURRENT, |bytes| bytes[4096..4200].fill(0));
    rig.disk.edit(CURRENT, |bytes| bytes[..100].fill(0));
    refused(&rig);
}

/// A store whose log has several segments.
fn long() -> Rig {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    for index in 1..=120u64 {
        append(&shard, &[hansard_storage::LogEntry::new(1, index, &[1; 3_000])]);
    }
    store.sync_mark();
    store.flush().unwrap();
    assert!(rig.disk.names().iter().filter(|n| n.ends_with(".seg")).count() > 4);
    rig.disk.kill();
    rig
}

#[test]
fn any_segment_deleted() {
    let segments: Vec<String> = long().disk.names().into_iter().filter(|n| n.ends_with(".seg")).collect();
    for segment in &segments {
        let rig = long();
        hansard_storage::Disk::remove(&rig.disk, segment).unwrap();
        assert!(refused(&rig).contains("missing"));
    }
}

#[test]
fn all_segments_deleted() {
    let rig = long();
    for name in rig.disk.names().into_iter().filter(|n| n.starts_with("log/")) {
        hansard_storage::Disk::remove(&rig.disk, &name).unwrap();
    }
    assert!(refused(&rig).contains("all log segments are missing"));
}

#[test]
fn a_bit_anywhere_in_a_full_segment_is_refused_or_harmless() {
    let rig = long();
    let before = indexes(&rig.open().shard(id(1)).unwrap());
    rig.disk.kill();
    let name = "log/0000000000000002.seg";
    for at in (0..64 << 10).step_by(509) {
        rig.disk.flip_bit(name, at, 5);
        match rig.try_open() {
            Ok(store) => assert_eq!(indexes(&store.shard(id(1)).unwrap()), before, "offset {at}"),
            Err(OpenError::Damaged { .. }) => {}
            Err(other) => panic!("offset {at}: {other}"),
        }
        rig.disk.kill();
        rig.disk.flip_bit(name, at, 5);
        // A successful open writes a fresh mark to the last segment only.
    }
}

#[test]
fn the_state_deleted_after_a_purge() {
    let mut rig = filled();
    rig.disk.kill();
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    apply_to(&shard, 1, 20);
    shard.log().purge((1, 10)).wait().unwrap();
    rig.disk.kill();
    rig.engine = SimEngine::new();
    assert!(refused(&rig).contains("rows are missing"));
}

#[test]
fn the_state_deleted_before_any_purge_is_replayed() {
    let mut rig = filled();
    rig.disk.kill();
    rig.engine = SimEngine::new();
    let shard = rig.open().shard(id(1)).unwrap();
    assert_eq!((shard.rows().applied(), indexes(&shard).len()), (None, 30));
}

#[test]
fn an_old_copy_of_the_log() {
    let rig = filled();
    let mut old = Vec::new();
    rig.disk.edit(CURRENT, |bytes| old = bytes.clone());
    rig.disk.kill();
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 31, 41));
    apply_to(&shard, 1, 40);
    rig.disk.kill();
    rig.disk.edit(CURRENT, |bytes| *bytes = old);
    assert!(refused(&rig).contains("synced up to"));
    // The state alone tells, too.
    hansard_storage::Disk::remove(&rig.disk, WITNESS).unwrap();
    assert!(refused(&rig).contains("but had entry 40"));
}

#[test]
fn an_old_copy_of_the_log_that_no_state_contradicts() {
    let rig = filled();
    let mut old = Vec::new();
    rig.disk.edit(CURRENT, |bytes| old = bytes.clone());
    rig.disk.kill();
    append(&rig.open().shard(id(1)).unwrap(), &entries(1, 31, 41));
    rig.disk.kill();
    rig.disk.edit(CURRENT, |bytes| *bytes = old);
    assert!(refused(&rig).contains("synced up to"));
}

/// A store whose last batch was synced, and no tail mark after it.
fn unmarked() -> Rig {
    let rig = filled();
    rig.disk.kill();
    let store = rig.open();
    append(&store.shard(id(1)).unwrap(), &entries(1, 31, 32));
    rig.disk.kill();
    rig
}

#[test]
fn a_killed_process_has_told_the_witness_of_its_last_batch() {
    let rig = unmarked();
    let at = find(&rig, "entry 1.31");
    rig.disk.flip_bit(CURRENT, at, 0);
    assert!(refused(&rig).contains("synced up to"));
    rig.disk.flip_bit(CURRENT, at, 0);
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 31);
}

#[test]
fn a_damaged_or_missing_witness_harms_nobody() {
    for slot in [0, 4096] {
        let rig = unmarked();
        rig.disk.edit(WITNESS, |bytes| bytes[slot..slot + 4096].fill(0xff));
        assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 31);
    }
    let rig = unmarked();
    rig.disk.edit(WITNESS, |bytes| bytes.truncate(100));
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 31);
    rig.disk.kill();
    hansard_storage::Disk::remove(&rig.disk, WITNESS).unwrap();
    assert_eq!(indexes(&rig.open().shard(id(1)).unwrap()).len(), 31);
}

#[test]
fn the_name_of_a_witness_outlives_a_start_that_ended_before_it_was_durable() {
    let mut rig = unmarked();
    hansard_storage::Disk::remove(&rig.disk, WITNESS).unwrap();
    hansard_storage::Disk::create(&rig.disk, WITNESS, 8192, &|_| ()).unwrap();
    drop(rig.open());
    rig.power_cut(0);
    assert!(hansard_storage::Disk::len(&rig.disk, WITNESS).unwrap().is_some());
}

#[test]
fn state_ahead_of_an_unsynced_log_is_no_damage() {
    let mut rig = Rig::new(WriterMode::Manual);
    let store = rig.open();
    let shard = store.shard(id(1)).unwrap();
    shard.log().append(&entries(1, 1, 5), Box::new(|_| {}));
    store.pump();
    // A quorum elsewhere committed entry 8 before this node's own sync.
    shard.log().append(&entries(1, 5, 9), Box::new(|_| {}));
    apply_to(&shard, 1, 8);
    rig.power_cut(0);
    let shard = rig.open().shard(id(1)).unwrap();
    assert_eq!(shard.log().bounds().last, Some((1, 8)));
    assert_eq!(shard.log().bounds().purged, Some((1, 8)));
    assert_eq!(shard.rows().applied(), Some(mark(1, 8)));
}

#[test]
fn identity_replaced_missing_or_flipped() {
    let rig = filled();
    rig.disk.kill();
    let mut kept = Vec::new();
    rig.disk.edit("IDENTITY", |bytes| kept = bytes.clone());
    rig.disk.flip_bit("IDENTITY", 20, 1);
    refused(&rig);
    rig.disk.kill();

    let mut other = Rig::new(WriterMode::Inline);
    other.options.fresh.store = [8; 16];
    drop(other.open());
    let mut theirs = Vec::new();
    other.disk.edit("IDENTITY", |bytes| theirs = bytes.clone());
    rig.disk.edit("IDENTITY", |bytes| *bytes = theirs);
    assert!(refused(&rig).contains("another store"));
    rig.disk.kill();

    hansard_storage::Disk::remove(&rig.disk, "IDENTITY").unwrap();
    assert!(refused(&rig).contains("IDENTITY is missing"));
}

#[test]
fn a_start_that_ended_before_it_had_an_identity_is_followed_by_another() {
    let mut rig = Rig::new(WriterMode::Inline);
    drop(rig.open());
    hansard_storage::Disk::remove(&rig.disk, "IDENTITY").unwrap();
    rig.options.fresh = FreshIdentity { store: [8; 16], node: 43 };
    let store = rig.open();
    append(&store.shard(id(1)).unwrap(), &entries(1, 1, 3));
    drop(store);
    let store = rig.open();
    assert_eq!(store.identity().node, 43);
    assert_eq!(indexes(&store.shard(id(1)).unwrap()), [(1, 1), (1, 2)]);
}

#[test]
fn a_state_of_a_cluster_without_an_identity_is_refused() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    store.set_cluster(ClusterId::from_bytes([1; 16])).unwrap();
    drop(store);
    hansard_storage::Disk::remove(&rig.disk, "IDENTITY").unwrap();
    assert!(refused(&rig).contains("IDENTITY is missing"));
}

#[test]
fn an_old_identity_from_before_the_cluster() {
    let rig = filled();
    rig.disk.kill();
    let mut old = Vec::new();
    rig.disk.edit("IDENTITY", |bytes| old = bytes.clone());
    rig.open().set_cluster(ClusterId::from_bytes([5; 16])).unwrap();
    rig.disk.kill();
    rig.disk.edit("IDENTITY", |bytes| *bytes = old);
    assert!(refused(&rig).contains("IDENTITY is older"));
}

#[test]
fn another_cluster_is_refused() {
    let mut rig = filled();
    rig.disk.kill();
    let (ours, theirs) = (ClusterId::from_bytes([5; 16]), ClusterId::from_bytes([6; 16]));
    rig.open().set_cluster(ours).unwrap();
    rig.disk.kill();
    rig.options.cluster = Some(theirs);
    let error = rig.try_open().err().unwrap();
    assert!(matches!(error, OpenError::ForeignCluster { found, expected } if (found, expected) == (ours, theirs)));
    rig.disk.kill();
    rig.options.cluster = Some(ours);
    assert_eq!(rig.open().identity().cluster, Some(ours));
}

/// A record of a later batch as a store with this id would write it.
fn later_record(store: [u8; 16]) -> Vec<u8> {
    let mut record = store[..2].to_vec();
    record.extend_from_slice(&[2, 4, 0, 0, 0, 0]);
    record.extend_from_slice(&[0x7f; 8]);
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&[0x7f; 4]);
    record.extend_from_slice(&[0; 4]);
    let seed = u32::from_be_bytes(store[2..6].try_into().unwrap());
    let crc = crc32c::crc32c_append(seed, &record);
    record.extend_from_slice(&crc.to_be_bytes());
    record
}

#[test]
fn a_record_in_a_message_is_none_as_long_as_nobody_knows_the_id_of_the_store() {
    let left_over = |record: &[u8]| {
        let rig = filled();
        rig.disk.kill();
        // As an earlier use of the segment may have left it.
        let at = find(&rig, "entry 1.30") + 2 * 4096;
        rig.disk.edit(CURRENT, |bytes| bytes[at..at + record.len()].copy_from_slice(record));
        rig
    };
    for guess in [[0; 16], *b"HR\0\0\0\0 no more..", [8; 16]] {
        assert_eq!(indexes(&left_over(&later_record(guess)).open().shard(id(1)).unwrap()).len(), 30);
    }
    assert!(refused(&left_over(&later_record(FRESH.store))).contains("later batch"));
}

#[test]
fn a_format_that_is_newer_or_too_old_is_refused() {
    let rig = filled();
    rig.disk.kill();
    rig.disk.edit("IDENTITY", |bytes| bytes[8] = 2);
    let error = rig.try_open().err().unwrap();
    assert!(matches!(error, OpenError::NewerFormat { found: 2, .. }), "{error}");
    rig.disk.kill();
    rig.disk.edit("IDENTITY", |bytes| bytes[8] = 1);
    for (version, newer) in [(3, true), (1, false)] {
        rig.disk.edit(CURRENT, |bytes| {
            bytes[4] = version;
            bytes[4096 + 4] = version;
        });
        let error = rig.try_open().err().unwrap();
        let told = match error {
            OpenError::NewerFormat { found, .. } => (found, true),
            OpenError::OlderFormat { found, .. } => (found, false),
            _ => panic!("{error}"),
        };
        assert_eq!(told, (version, newer));
        rig.disk.kill();
    }
}

#[test]
fn a_second_open_is_refused() {
    let rig = filled();
    rig.disk.kill();
    let store = rig.open();
    assert!(matches!(rig.try_open().err().unwrap(), OpenError::Locked(_)));
    drop(store);
    rig.open();
}

#[test]
fn a_torn_last_batch_that_was_never_acked_is_cut() {
    for seed in 0..200u64 {
        let mut rig = Rig::new(WriterMode::Manual);
        rig.disk = hansard_storage::SimDisk::new(seed);
        let store = rig.open();
        let shard = store.shard(id(1)).unwrap();
        shard.log().append(&entries(1, 1, 11), ignore());
        store.pump();
        for _ in 0..4 {
            let last = shard.log().bounds().last.unwrap().1;
            shard.log().append(&entries(1, last + 1, last + 150), Box::new(|_| {}));
        }
        rig.disk.set_faults(hansard_storage::disk::SimDiskFaults { sync_error_after: Some(0), ..Default::default() });
        store.pump();
        assert_eq!(rig.fatals(), 1);
        for life in 0..3 {
            rig.power_cut(seed);
            let store = rig.open();
            let shard = store.shard(id(1)).unwrap();
            let last = shard.log().bounds().last.unwrap().1;
            assert!(last >= 10, "seed {seed}");
            assert_eq!(indexes(&shard).len() as u64, last);
            shard.log().append(&entries(2 + life, last + 1, last + 40), ignore());
            store.pump();
        }
    }
}
