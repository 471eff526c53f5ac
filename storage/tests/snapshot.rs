//! Snapshots: what is read, what is installed, and what an interruption leaves.

mod common;

use bytes::Bytes;
use common::*;
use hansard_domain::{Change, Key, Rows, Table};
use hansard_storage::disk::SimDiskFaults;
use hansard_storage::{CHUNK_BYTES, LogBounds, ShardStore, SnapshotError, Store, WriterMode};

fn rows(shard: &ShardStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    shard
        .rows()
        .scan(Table::Event, &[], &[0xff; 8], false, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    all
}

fn fill(shard: &ShardStore, count: u64, size: usize) {
    for index in 1..=count {
        append(shard, &entries(1, index, index + 1));
        shard.rows().commit(vec![put(&format!("{index:08}"), &"x".repeat(size))], mark(1, index)).unwrap();
    }
}

fn chunks(shard: &ShardStore) -> Vec<Bytes> {
    let mut reader = shard.snapshot().unwrap();
    let mut chunks = Vec::new();
    // What is committed meanwhile is not in it.
    let index = reader.mark().index;
    shard.rows().commit(vec![put("later", "x")], mark(1, index)).unwrap();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        assert!(chunk.len() <= CHUNK_BYTES);
        chunks.push(chunk);
    }
    shard
        .rows()
        .commit(vec![Change { table: Table::Event, key: Key::new(b"later"), value: None }], mark(1, index))
        .unwrap();
    chunks
}

fn install(store: &Store, chunks: &[Bytes]) -> Result<(), SnapshotError> {
    let mut writer = store.shard(id(9)).unwrap().install()?;
    for chunk in chunks {
        writer.write(chunk)?;
    }
    writer.finish().map(drop)
}

/// A shard with 3 MB of rows, its chunks, and a fresh store that has something else in the same shard.
fn two() -> (Rig, Store, Vec<Bytes>, Rig, Store) {
    let (from, to) = (Rig::new(WriterMode::Inline), Rig::new(WriterMode::Inline));
    let (source, target) = (from.open(), to.open());
    let shard = source.shard(id(9)).unwrap();
    fill(&shard, 300, 10_000);
    let chunks = chunks(&shard);
    assert_eq!(chunks.len(), 3);
    let old = target.shard(id(9)).unwrap();
    fill(&old, 5, 3);
    target.flush().unwrap();
    (from, source, chunks, to, target)
}

#[test]
fn roundtrip() {
    let (_from, source, chunks, to, target) = two();
    install(&target, &chunks).unwrap();
    let (a, b) = (source.shard(id(9)).unwrap(), target.shard(id(9)).unwrap());
    assert_eq!(rows(&a), rows(&b));
    assert_eq!(b.rows().applied(), Some(mark(1, 300)));
    assert_eq!(b.rows().durable(), Some((1, 300)));
    assert_eq!(b.log().bounds(), LogBounds { purged: Some((1, 300)), last: Some((1, 300)) });
    append(&b, &entries(2, 301, 303));
    to.disk.crash();
    let mut again = Rig::new(WriterMode::Inline);
    (again.disk, again.engine) = (to.disk.clone(), to.engine.crash(0));
    let store = again.open();
    let b = store.shard(id(9)).unwrap();
    assert_eq!(rows(&a), rows(&b));
    assert_eq!(b.log().bounds(), LogBounds { purged: Some((1, 300)), last: Some((2, 302)) });
}

#[test]
fn entries_after_the_snapshot_stay_if_the_log_has_its_last_one() {
    let (_from, source, _, _to, _) = two();
    let shard = source.shard(id(9)).unwrap();
    let chunks = chunks(&shard);
    append(&shard, &entries(1, 301, 311));
    install(&source, &chunks).unwrap();
    assert_eq!(shard.log().bounds(), LogBounds { purged: Some((1, 300)), last: Some((1, 310)) });
    assert_eq!(rows(&shard).len(), 300);
}

#[test]
fn damaged_missing_swapped_and_foreign_chunks_are_refused() {
    let (_from, _source, chunks, _to, target) = two();
    let before = rows(&target.shard(id(9)).unwrap());
    let mut bad = chunks.clone();
    let mut bytes = bad[1].to_vec();
    bytes[5_000] ^= 1;
    bad[1] = bytes.into();
    assert!(matches!(install(&target, &bad), Err(SnapshotError::Chunk { number: 1, .. })));
    let mut swapped = chunks.clone();
    swapped.swap(1, 2);
    assert!(matches!(install(&target, &swapped), Err(SnapshotError::Order { expected: 1, found: 2 })));
    assert!(matches!(install(&target, &chunks[..2]), Err(SnapshotError::Incomplete)));
    assert!(matches!(install(&target, &[]), Err(SnapshotError::Incomplete)));
    let one = target.shard(id(9)).unwrap().install().unwrap();
    assert!(matches!(target.shard(id(9)).unwrap().install(), Err(SnapshotError::Store(_))));
    drop(one);
    assert_eq!(rows(&target.shard(id(9)).unwrap()), before);
    install(&target, &chunks).unwrap();
    assert!(matches!(target.shard(id(8)).unwrap().snapshot(), Err(SnapshotError::Empty)));
}

/// Cuts the power at every write of the log and at every possible remainder of the state.
#[test]
fn an_interrupted_install_leaves_the_old_or_the_new() {
    let (mut olds, mut news) = (0, 0);
    for stop in 0..8 {
        for dice in 0..7 {
            let (_from, source, chunks, mut to, target) = two();
            let old = rows(&target.shard(id(9)).unwrap());
            let new = rows(&source.shard(id(9)).unwrap());
            let mut writer = target.shard(id(9)).unwrap().install().unwrap();
            for chunk in chunks.iter().take(stop) {
                writer.write(chunk).unwrap();
            }
            if stop >= chunks.len() {
                match stop - chunks.len() {
                    // The flush of the new rows, the flush of the switch, the log's reset; or nothing.
                    flush @ 0..2 => to.engine.fail_flush_after(flush as u64),
                    2 => to.disk.set_faults(SimDiskFaults { write_error_after: Some(0), ..SimDiskFaults::default() }),
                    3 => to.disk.set_faults(SimDiskFaults { sync_error_after: Some(0), ..SimDiskFaults::default() }),
                    _ => {}
                }
                let _ = writer.finish();
            } else {
                std::mem::forget(writer);
            }
            to.power_cut(dice);
            let store = to.open();
            let shard = store.shard(id(9)).unwrap();
            let left = rows(&shard);
            let bounds = shard.log().bounds();
            if left == old {
                olds += 1;
                assert_eq!(bounds.last, Some((1, 5)));
                assert_eq!(shard.rows().applied(), Some(mark(1, 5)));
            } else {
                news += 1;
                assert!(left == new, "neither old nor new");
                assert_eq!(bounds, LogBounds { purged: Some((1, 300)), last: Some((1, 300)) });
                assert_eq!(shard.rows().applied(), Some(mark(1, 300)));
            }
            // Nothing of the other generation is left: a second install finds room and works.
            install(&store, &chunks).unwrap();
            assert_eq!(rows(&shard), new);
        }
    }
    assert!(olds > 10 && news > 10, "{olds} old, {news} new");
}
