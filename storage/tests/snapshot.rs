//! Snapshots: what is read, what is installed, and what an interruption leaves.

mod common;

use bytes::Bytes;
use common::*;
use hansard_domain::{Change, Key, Rows, Table};
use hansard_storage::disk::SimDiskFaults;
use hansard_storage::{CHUNK_BYTES, LogBounds, Partial, ShardStore, SnapshotError, Store, Taken, View, WriterMode};

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

/// Installs what is missing of a snapshot; how many chunks were there.
fn go_on(shard: &ShardStore, chunks: &[Bytes]) -> Result<usize, SnapshotError> {
    let Some(partial) = shard.partial() else { return Ok(0) };
    let mut writer = shard.resume(partial)?;
    let here = partial.taken.chunks as usize;
    for chunk in &chunks[here..] {
        writer.write(chunk)?;
    }
    writer.finish().map(|_| here)
}

/// Keys of all shards and generations in the engine, and of its directory.
fn keys(rig: &Rig) -> usize {
    let mut keys = 0;
    let count = &mut |_: &[u8], _: &[u8]| {
        keys += 1;
        true
    };
    rig.engine.scan(&[], &[0xff; 8], false, count).unwrap();
    keys
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
    /// The store's row, the next keyspace, the shard, its mark.
    const DIRECTORY: usize = 4;
    let (mut olds, mut news, mut resumed) = (0, 0, 0);
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
            // It goes on with as much as is left, of what had come. Nothing of the other generation is left.
            let here = go_on(&shard, &chunks).unwrap();
            assert!(here <= stop, "{here} chunks are here of {stop}");
            resumed += usize::from(here > 0);
            if here == 0 {
                install(&store, &chunks).unwrap();
            }
            assert_eq!(rows(&shard), new);
            assert_eq!(shard.partial(), None);
            assert_eq!(keys(&to), new.len() + DIRECTORY, "rows of one generation");
        }
    }
    assert!(olds > 10 && news > 10 && resumed > 10, "{olds} old, {news} new, {resumed} resumed");
}

/// Takes so many chunks in and stops.
fn begin(shard: &ShardStore, chunks: &[Bytes]) -> Partial {
    let mut writer = shard.install().unwrap();
    for chunk in chunks {
        writer.write(chunk).unwrap();
    }
    let taken = writer.taken();
    drop(writer);
    let partial = shard.partial().expect("it is kept");
    assert_eq!((partial.last, partial.taken), ((1, 300), taken));
    partial
}

#[test]
fn an_interrupted_snapshot_goes_on_where_it_stopped() {
    let (_from, source, chunks, _to, target) = two();
    let (from, to) = (source.shard(id(9)).unwrap(), target.shard(id(9)).unwrap());
    let mut reader = from.snapshot().unwrap();
    while reader.next_chunk().unwrap().is_some() {}
    let snapshot = reader.source();
    for here in 1..=chunks.len() {
        let partial = begin(&to, &chunks[..here]);
        let mut rest = snapshot.reader_after(partial.taken);
        assert_eq!(rest.taken(), partial.taken);
        let mut writer = to.resume(partial).unwrap();
        let mut sent = 0;
        while let Some(chunk) = rest.next_chunk().unwrap() {
            assert_eq!(chunk, chunks[here + sent]);
            writer.write(&chunk).unwrap();
            sent += 1;
        }
        assert_eq!((here + sent, writer.taken()), (chunks.len(), rest.taken()));
        if here == chunks.len() {
            writer.finish().unwrap();
        }
    }
    assert_eq!(rows(&from), rows(&to));
    assert_eq!(to.partial(), None);
    // Chunks that are not this snapshot's, or of which it does not know, are sent from the first on.
    let first = Taken::default();
    assert_eq!(snapshot.reader_after(Taken { chunks: 1, crc: 7 }).taken(), first);
    assert_eq!(snapshot.reader_after(Taken { chunks: 4, crc: 7 }).taken(), first);
    assert_eq!(snapshot.reader_after(first).taken(), first);
    let other = from.snapshot().unwrap();
    assert_eq!(other.source().reader_after(reader.taken()).taken(), first);
}

#[test]
fn what_is_kept_of_a_snapshot_goes_with_its_use() {
    let (_from, _source, chunks, to, target) = two();
    let shard = target.shard(id(9)).unwrap();
    let empty = keys(&to);
    let partial = begin(&shard, &chunks[..2]);
    assert!(keys(&to) > empty);
    // One that is being taken in is left alone, and so is one that is another than was looked at.
    let writer = shard.resume(partial).unwrap();
    shard.abandon(partial).unwrap();
    drop(writer);
    shard.abandon(Partial { taken: Taken::default(), ..partial }).unwrap();
    assert_eq!(target.partials(), [(id(9), partial)].into());
    let strange = Partial { last: (1, 299), ..partial };
    assert!(matches!(shard.resume(strange), Err(SnapshotError::NotKept)));
    target.abandon(id(9), partial).unwrap();
    assert_eq!((keys(&to), target.partials().len()), (empty, 0));
    // A snapshot from its first chunk on takes the place of what is here.
    begin(&shard, &chunks[..2]);
    begin(&shard, &chunks[..1]);
    assert!(keys(&to) < empty + 120, "the first chunk's rows, once");
    // A damaged chunk costs itself; one that cannot be right, all.
    let mut writer = shard.resume(shard.partial().unwrap()).unwrap();
    assert!(matches!(writer.write(&chunks[1][1..]), Err(SnapshotError::Chunk { number: 1, .. })));
    drop(writer);
    let one = shard.partial().unwrap();
    assert_eq!(one.taken.chunks, 1);
    shard.resume(one).unwrap().give_up();
    assert_eq!((keys(&to), shard.partial()), (empty, None));
    // With the shard it goes too, and what is older than the rows is of no use after a restart.
    begin(&shard, &chunks);
    target.remove_shard(id(9)).unwrap();
    assert_eq!(keys(&to), 2, "the store's row and the next keyspace");
    let shard = target.shard(id(9)).unwrap();
    begin(&shard, &chunks[..2]);
    fill(&shard, 300, 1);
    target.flush().unwrap();
    drop((shard, target));
    let mut again = Rig::new(WriterMode::Inline);
    (again.disk, again.engine) = (to.disk.clone(), to.engine.crash(0));
    let store = again.open();
    assert_eq!(store.partials().len(), 0);
    assert_eq!(keys(&again), 300 + 4);
}
