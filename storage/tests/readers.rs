//! Who reads holds up no commit, and sees the rows of one generation; an install and a removal wait for readers.

mod common;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use common::*;
use hansard_domain::{Rows, Table};
use hansard_storage::{ShardRows, Store, StoreError, WriterMode};

/// Far longer than anything here takes that waits for nobody.
const LONG: Duration = Duration::from_secs(20);
/// Long enough for what waits for nobody to be done.
const MOMENT: Duration = Duration::from_millis(200);

/// A scan on a thread of its own, which rests at its first row until it may go on. Its end lets it go on, too.
struct Scan {
    go_on: Sender<()>,
    found: Receiver<Vec<String>>,
}

impl Scan {
    /// Returns once it rests.
    fn start(rows: ShardRows) -> Scan {
        let ((go_on, may), (tell, found), (begin, begun)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut keys = Vec::new();
            rows.scan(Table::Event, &[], &[0xff; 8], false, &mut |key, _| {
                keys.push(String::from_utf8(key.to_vec()).unwrap());
                if keys.len() == 1 {
                    begin.send(()).unwrap();
                    let _ = may.recv();
                }
                true
            })
            .unwrap();
            let _ = tell.send(keys);
        });
        begun.recv_timeout(LONG).unwrap();
        Scan { go_on, found }
    }

    /// What it found in all.
    fn end(self) -> Vec<String> {
        drop(self.go_on);
        self.found.recv_timeout(LONG).unwrap()
    }
}

/// Runs something beside; its result comes over the channel.
fn beside<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(run());
    });
    told
}

/// What waits for a reader is not done while it reads.
fn waits<T>(result: &Receiver<T>) -> bool {
    matches!(result.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout))
}

fn keys(rows: &ShardRows) -> Vec<String> {
    let mut keys = Vec::new();
    rows.scan(Table::Event, &[], &[0xff; 8], false, &mut |key, _| {
        keys.push(String::from_utf8(key.to_vec()).unwrap());
        true
    })
    .unwrap();
    keys
}

fn a_commit_waits_for_no_scan(store: &Store) {
    let shard = store.shard(id(3)).unwrap();
    append(&shard, &entries(1, 1, 4));
    let rows = shard.rows();
    rows.commit(vec![put("a", "1"), put("b", "1")], mark(1, 1)).unwrap();
    let scan = Scan::start(rows.clone());
    let written = {
        let rows = rows.clone();
        beside(move || {
            rows.commit(vec![put("c", "1")], mark(1, 2)).unwrap();
            // A second one: nobody waits behind the first either.
            rows.commit(vec![put("d", "1")], mark(1, 3)).unwrap();
            let read = (keys(&rows), rows.applied());
            rows.flush().unwrap();
            (read, rows.durable())
        })
    };
    let (read, durable) = written.recv_timeout(LONG).expect("a commit, a read or a flush waits for the scan");
    assert_eq!(read, (["a", "b", "c", "d"].map(str::to_owned).to_vec(), Some(mark(1, 3))));
    assert_eq!(durable, Some((1, 3)));
    assert_eq!(scan.end(), ["a", "b"], "a scan shows one moment");
}

#[test]
fn a_commit_waits_for_no_scan_in_the_simulated_engine() {
    let rig = Rig::new(WriterMode::Inline);
    a_commit_waits_for_no_scan(&rig.open());
    assert_eq!(rig.fatals(), 0);
}

#[test]
fn a_commit_waits_for_no_scan_in_rocksdb() {
    let dir = tempfile::tempdir().unwrap();
    a_commit_waits_for_no_scan(&open_real(dir.path()).unwrap());
}

#[test]
fn an_install_waits_for_readers_who_see_one_generation() {
    let (from, to) = (Rig::new(WriterMode::Inline), Rig::new(WriterMode::Inline));
    let (source, target) = (from.open(), to.open());
    let (newer, shard) = (source.shard(id(3)).unwrap(), target.shard(id(3)).unwrap());
    append(&newer, &entries(1, 1, 6));
    newer.rows().commit(vec![put("x", "1"), put("y", "1")], mark(1, 5)).unwrap();
    append(&shard, &entries(1, 1, 3));
    shard.rows().commit(vec![put("a", "1"), put("b", "1")], mark(1, 2)).unwrap();
    let mut writer = shard.install().unwrap();
    let mut reader = newer.snapshot().unwrap();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        writer.write(&chunk).unwrap();
    }
    let scan = Scan::start(shard.rows());
    let installed = beside(move || writer.finish().unwrap());
    assert!(waits(&installed), "rows would be dropped under a reader");
    assert_eq!(shard.rows().applied(), Some(mark(1, 2)), "the mark is that of the rows");
    assert_eq!(scan.end(), ["a", "b"]);
    assert_eq!(installed.recv_timeout(LONG).unwrap(), mark(1, 5));
    assert_eq!((keys(&shard.rows()), shard.rows().applied()), (vec!["x".into(), "y".into()], Some(mark(1, 5))));
}

#[test]
fn a_removal_waits_for_readers() {
    let rig = Rig::new(WriterMode::Inline);
    let store = rig.open();
    let shard = store.shard(id(3)).unwrap();
    append(&shard, &entries(1, 1, 2));
    shard.rows().commit(vec![put("a", "1"), put("b", "1")], mark(1, 1)).unwrap();
    let scan = Scan::start(shard.rows());
    let removed = {
        let store = store.clone();
        beside(move || store.remove_shard(id(3)).unwrap())
    };
    assert!(waits(&removed), "rows would be dropped under a reader");
    assert_eq!(scan.end(), ["a", "b"]);
    removed.recv_timeout(LONG).unwrap();
    assert!(matches!(shard.rows().get(Table::Event, b"a"), Err(StoreError::ShardGone)));
    assert!(matches!(shard.rows().commit(vec![], mark(1, 2)), Err(StoreError::ShardGone)));
}
