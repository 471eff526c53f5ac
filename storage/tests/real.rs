//! The store on the file system, with RocksDB and threads.

// Operations are queued at the call; what is not awaited here is awaited by what comes after.
#![allow(clippy::let_underscore_future)]

mod common;
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
}
