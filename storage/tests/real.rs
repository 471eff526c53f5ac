//! The store on the file system, with RocksDB and threads.

// Operations are queued at the call; what is not awaited here is awaited by what comes after.
#![allow(clippy::let_underscore_future)]

mod common;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;

use common::*;
use hansard_domain::Rows;
use hansard_storage::{LogEntry, OpenError, Vote};

#[test]
fn many_threads_append_reopen_and_find_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_real(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for n in 1..=4u8 {
            let shard = store.shard(id(n)).unwrap();
            scope.spawn(move || {
                let (sender, receiver) = channel();
                for index in 1..=400u64 {
                    let sender = sender.clone();
                    let entry = LogEntry::new(1, index, &[n; 2_000]);
                    shard.log().append(&[entry], Box::new(move |o| sender.send((index, o.is_ok())).unwrap()));
                    let _ = shard.log().save_vote(Vote { term: index, node: 1, committed: true });
                    shard.rows().commit(vec![put(&format!("{index:08}"), "v")], mark(1, index)).unwrap();
                }
                for index in 1..=400 {
                    assert_eq!(receiver.recv().unwrap(), (index, true), "callbacks in order");
                }
                shard.rows().flush().unwrap();
                shard.log().purge((1, 350)).wait().unwrap();
            });
        }
    });
    let stats = store.stats().view();
    assert!(stats.records > stats.batches, "commits were grouped: {stats:?}");
    drop(store);
    for _ in 0..2 {
        let store = open_real(dir.path()).unwrap();
        for n in 1..=4u8 {
            let shard = store.shard(id(n)).unwrap();
            assert_eq!(indexes(&shard), (351..=400).map(|i| (1, i)).collect::<Vec<_>>());
            assert_eq!(shard.log().vote().unwrap().term, 400);
            assert_eq!(shard.log().read(400, 401, 1).unwrap()[0].payload, vec![n; 2_000]);
            assert_eq!(shard.rows().applied().unwrap().index, 400);
            assert!(shard.rows().get(hansard_domain::Table::Event, b"00000400").unwrap().is_some());
        }
        store.close().unwrap();
    }
}

#[test]
fn a_second_process_is_refused() {
    if let Some(dir) = std::env::var_os("HANSARD_TEST_DIR") {
        let locked = matches!(open_real(dir.as_ref()), Err(OpenError::Locked(_)));
        std::process::exit(if locked { 7 } else { 1 });
    }
    let dir = tempfile::tempdir().unwrap();
    let _store = open_real(dir.path()).unwrap();
    let exe = std::env::current_exe().unwrap();
    let status = Command::new(exe)
        .args(["--exact", "a_second_process_is_refused"])
        .env("HANSARD_TEST_DIR", dir.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));
    assert!(matches!(open_real(dir.path()), Err(OpenError::Locked(_))), "nor twice in one process");
}

#[test]
fn a_killed_process_loses_nothing_acked() {
    if let Some(dir) = std::env::var_os("HANSARD_TEST_DIR") {
        let store = open_real(dir.as_ref()).unwrap();
        let shard = store.shard(id(1)).unwrap();
        append(&shard, &entries(1, 1, 101));
        shard.rows().commit(vec![put("a", "b")], mark(1, 50)).unwrap();
        std::process::abort();
    }
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let status = Command::new(exe)
        .args(["--exact", "a_killed_process_loses_nothing_acked"])
        .env("HANSARD_TEST_DIR", dir.path())
        .status()
        .unwrap();
    assert!(!status.success());
    let store = open_real(dir.path()).unwrap();
    let shard = store.shard(id(1)).unwrap();
    assert_eq!(indexes(&shard).len(), 100);
    // The rows were never flushed: the log brings them back.
    assert_eq!(shard.rows().applied(), None);
}

#[test]
fn a_busy_writer_syncs_for_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_real(dir.path()).unwrap();
    let shard = store.shard(id(1)).unwrap();
    let synced = || store.stats().view().batches;
    let big = |index| LogEntry::new(1, index, &vec![b'x'; 64 << 10]);
    append(&shard, &entries(1, 1, 2));
    let (before, from) = (synced(), std::time::Instant::now());
    let (told, hears) = channel();
    for index in 2..102 {
        let told = told.clone();
        shard.log().append(&[big(index)], Box::new(move |outcome| told.send(outcome).unwrap()));
    }
    (2..102).for_each(|_| hears.recv().unwrap().unwrap());
    // Each of these is worth the longest wait, so that there were no more writes than that fits into the time it took.
    let most = from.elapsed().as_millis() as u64 / 8 + 2;
    assert!(synced() - before <= most, "{} writes, at most {most} were expected", synced() - before);
}

/// What RocksDB keeps in a directory, but for what it tells people.
fn state_files(state: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| !name.starts_with("LOG"))
        .map(|name| (name.clone(), std::fs::read(state.join(name)).unwrap()))
        .collect()
}

fn manifest(state: &Path) -> PathBuf {
    state.join(std::fs::read_to_string(state.join("CURRENT")).unwrap().trim())
}

/// A store whose state was flushed twice, at entries 10 and 90, and the manifest's length after the first time.
fn flushed_twice(dir: &Path, purge: bool) -> u64 {
    let store = open_real(dir).unwrap();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 1, 101));
    apply_to(&shard, 1, 10);
    let length = std::fs::metadata(manifest(&dir.join("state"))).unwrap().len();
    apply_to(&shard, 1, 90);
    if purge {
        shard.log().purge((1, 80)).wait().unwrap();
    }
    length
}

#[test]
fn an_older_manifest_is_refused_where_the_log_was_purged_and_no_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let length = flushed_twice(dir.path(), true);
    let state = dir.path().join("state");
    let whole = std::fs::read(manifest(&state)).unwrap();
    std::fs::write(manifest(&state), &whole[..length as usize]).unwrap();
    let before = state_files(&state);
    let error = open_real(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains("rows are missing"), "{error}");
    assert_eq!(state_files(&state).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    std::fs::write(manifest(&state), whole).unwrap();
    assert_eq!(open_real(dir.path()).unwrap().shard(id(1)).unwrap().rows().applied(), Some(mark(1, 90)));
}

#[test]
fn an_older_manifest_is_replayed_where_the_log_has_it_all() {
    let dir = tempfile::tempdir().unwrap();
    let length = flushed_twice(dir.path(), false);
    let manifest = manifest(&dir.path().join("state"));
    std::fs::File::options().write(true).open(manifest).unwrap().set_len(length).unwrap();
    let shard = open_real(dir.path()).unwrap().shard(id(1)).unwrap();
    assert_eq!((shard.rows().applied(), indexes(&shard).len()), (Some(mark(1, 10)), 100));
}

#[test]
fn a_state_without_current_is_refused_and_no_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    flushed_twice(dir.path(), false);
    let state = dir.path().join("state");
    let current = std::fs::read(state.join("CURRENT")).unwrap();
    std::fs::remove_file(state.join("CURRENT")).unwrap();
    let before = state_files(&state);
    let error = open_real(dir.path()).err().unwrap();
    assert!(error.to_string().contains("CURRENT is missing"), "{error}");
    assert_eq!(state_files(&state), before);
    std::fs::write(state.join("CURRENT"), current).unwrap();
    assert_eq!(open_real(dir.path()).unwrap().shard(id(1)).unwrap().rows().applied(), Some(mark(1, 90)));
}

#[test]
fn state_directory_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_real(dir.path()).unwrap();
    let shard = store.shard(id(1)).unwrap();
    append(&shard, &entries(1, 1, 101));
    apply_to(&shard, 1, 90);
    shard.log().purge((1, 80)).wait().unwrap();
    drop((shard, store));
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let error = open_real(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(!dir.path().join("state").exists(), "a refusal makes nothing");
}
