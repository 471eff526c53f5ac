//! One model suite for both engines: the same operations, the same answers, crashes included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hansard_storage::{Engine, RocksEngine, RocksOptions, SimEngine, View, WriteBatch, WriteOp};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<WriteOp>),
    Flush,
    Crash(u64),
    Scan(Vec<u8>, Vec<u8>, bool, usize),
    Pin,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..4, 1..4)
}

fn op() -> impl Strategy<Value = WriteOp> {
    prop_oneof![
        6 => (key(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(k, v)| WriteOp::Put(k.into(), v.into())),
        2 => key().prop_map(|k| WriteOp::Delete(k.into())),
        1 => (key(), key()).prop_map(|(a, b)| WriteOp::DeleteRange(a.into(), b.into())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(op(), 1..6).prop_map(Step::Write),
        2 => Just(Step::Flush),
        1 => any::<u64>().prop_map(Step::Crash),
        3 => (key(), key(), any::<bool>(), 1usize..9).prop_map(|(a, b, r, n)| Step::Scan(a, b, r, n)),
        1 => Just(Step::Pin),
    ]
}

fn apply(model: &mut Model, ops: &[WriteOp]) {
    for op in ops {
        match op {
            WriteOp::Put(key, value) => drop(model.insert(key.to_vec(), value.to_vec())),
            WriteOp::Delete(key) => drop(model.remove(&key[..])),
            WriteOp::DeleteRange(from, to) => model.retain(|key, _| &key[..] < from || &key[..] >= to),
        }
    }
}

fn everything(view: &dyn View) -> Model {
    let mut all = Model::new();
    view.scan(&[], &[0xff], false, &mut |k, v| all.insert(k.to_vec(), v.to_vec()).is_none()).unwrap();
    all
}

fn check_scan(view: &dyn View, model: &Model, from: &[u8], to: &[u8], reverse: bool, limit: usize) {
    let mut expected: Vec<_> = model.iter().filter(|(k, _)| &k[..] >= from && &k[..] < to).collect();
    if reverse {
        expected.reverse();
    }
    expected.truncate(limit);
    let mut got = Vec::new();
    view.scan(from, to, reverse, &mut |k, v| {
        got.push((k.to_vec(), v.to_vec()));
        got.len() < limit
    })
    .unwrap();
    let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    assert_eq!(got, expected);
}

/// Copies a directory; false if it changed meanwhile.
fn copied(from: &Path, to: &Path) -> bool {
    let names = || -> Vec<_> { std::fs::read_dir(from).unwrap().map(|file| file.unwrap().file_name()).collect() };
    let before = names();
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    before.iter().all(|name| std::fs::copy(from.join(name), to.join(name)).is_ok()) && names() == before
}

/// Runs the steps; `crash` brings the engine back as a crash leaves it.
fn run(mut engine: Arc<dyn Engine>, steps: Vec<Step>, mut crash: impl FnMut(Arc<dyn Engine>, u64) -> Arc<dyn Engine>) {
    // Every state since the last flush, that one first: what a crash may leave.
    let mut history = vec![Model::new()];
    let mut pins: Vec<(Box<dyn View>, Model)> = Vec::new();
    for step in steps {
        let now = history.last().unwrap().clone();
        match step {
            Step::Write(ops) => {
                let mut next = now;
                apply(&mut next, &ops);
                engine.write(WriteBatch { ops }).unwrap();
                history.push(next);
            }
            Step::Flush => {
                engine.flush().unwrap();
                history = vec![now];
            }
            Step::Crash(dice) => {
                pins.clear();
                engine = crash(engine, dice);
                let left = everything(engine.as_ref());
                assert!(history.contains(&left), "a crash left what was never there, or lost what was flushed");
                history = vec![left];
            }
            Step::Scan(from, to, reverse, limit) => check_scan(engine.as_ref(), &now, &from, &to, reverse, limit),
            Step::Pin => pins.push((engine.view(), now)),
        }
        let now = history.last().unwrap();
        for key in now.keys().take(3) {
            assert_eq!(engine.get(key).unwrap().as_deref(), now.get(key).map(|v| &v[..]));
        }
        for (view, then) in &pins {
            assert_eq!(&everything(view.as_ref()), then);
        }
    }
    assert_eq!(&everything(engine.as_ref()), history.last().unwrap());
}

proptest! {
    #[test]
    fn simulated(steps in prop::collection::vec(step(), 1..60)) {
        let engine = SimEngine::new();
        let handle = std::cell::RefCell::new(engine.clone());
        run(Arc::new(engine), steps, |_, dice| {
            let next = handle.borrow().crash(dice);
            *handle.borrow_mut() = next.clone();
            Arc::new(next)
        });
    }
}

/// A sixth of the usual number: each case opens a database many times.
fn few() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(6), ..usual }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn rocksdb(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let options = RocksOptions { write_buffer_bytes: 1 << 20, block_cache_bytes: 1 << 20, ..RocksOptions::default() };
        let open = |path: &Path| Arc::new(RocksEngine::open(path, &options).unwrap());
        let mut life = 0;
        run(open(&dir.path().join("0")), steps, |engine, _| {
            // A copy taken while the engine runs is what a killed process leaves: nothing gets closed or flushed.
            let from = dir.path().join(life.to_string());
            life += 1;
            let to = dir.path().join(life.to_string());
            while !copied(&from, &to) {}
            drop(engine);
            open(&to)
        });
    }
}

/// Rows that fill many blocks, flushed.
fn filled(engine: &dyn Engine) -> Model {
    let rows: Model = (0..4_000u32).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 100])).collect();
    let ops = rows.iter().map(|(key, value)| WriteOp::Put(key.clone().into(), value.clone().into())).collect();
    engine.write(WriteBatch { ops }).unwrap();
    engine.flush().unwrap();
    rows
}

/// Whether some row can't be read. What can be read is what was written; nothing is ever said to be absent, nor a scan to be
/// complete that is not.
fn is_damaged(engine: &dyn Engine, rows: &Model) -> bool {
    let (mut refused, view) = (false, engine.view());
    for (key, value) in rows {
        match (engine.get(key), view.get(key)) {
            (Ok(found), Ok(pinned)) => {
                assert_eq!((found.as_deref(), pinned.as_deref()), (Some(&value[..]), Some(&value[..])))
            }
            _ => refused = true,
        }
    }
    for reverse in [false, true] {
        let (mut seen, mut all): (usize, Vec<_>) = (0, rows.iter().collect());
        if reverse {
            all.reverse();
        }
        let scanned = view.scan(&[], &[0xff; 9], reverse, &mut |key, value| {
            assert_eq!((key, value), (&all[seen].0[..], &all[seen].1[..]));
            seen += 1;
            true
        });
        assert_eq!(scanned.is_ok(), seen == rows.len(), "a scan that ends early says so");
        refused |= scanned.is_err();
    }
    refused
}

#[test]
fn damage_is_an_error_in_the_simulated_engine() {
    let engine = SimEngine::new();
    let rows = filled(&engine);
    assert!(!is_damaged(&engine, &rows));
    assert!(engine.damage(77));
    assert!(is_damaged(&engine, &rows));
    assert!(is_damaged(&engine.crash(0), &rows), "damage outlives the process");
}

#[test]
fn damage_is_an_error_in_rocksdb() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { write_buffer_bytes: 1 << 20, block_cache_bytes: 1 << 20, ..RocksOptions::default() };
    let rows = filled(&RocksEngine::open(dir.path(), &options).unwrap());
    let tables = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let table = tables.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "sst")).unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&table, bytes).unwrap();
    assert!(is_damaged(&RocksEngine::open(dir.path(), &options).unwrap(), &rows));
}

fn blob_files(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "blob")).collect()
}

fn blob_bytes(dir: &Path) -> u64 {
    blob_files(dir).iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}

/// Rows in blob files, of two keyspaces that share all of these.
fn shared(round: u8) -> Vec<WriteOp> {
    (0..40).map(|n| WriteOp::Put(vec![n % 2, round, n].into(), vec![n; 8_000].into())).collect()
}

#[test]
fn rocksdb_writes_blob_files_anew_only_where_much_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { write_buffer_bytes: 1 << 20, dead_bytes: 1 << 20, ..RocksOptions::default() };
    let engine = RocksEngine::open(dir.path(), &options).unwrap();
    let flushed = |ops| {
        engine.write(WriteBatch { ops }).unwrap();
        engine.flush().unwrap();
        engine.tidy().unwrap();
    };
    // Compactions come along every few flushes; without deletions they move no entry.
    flushed(shared(0));
    let oldest = blob_files(dir.path());
    (1..25).for_each(|round| flushed(shared(round)));
    let (all, taken) = (25 * 40 * 8_000, blob_bytes(dir.path()));
    assert!(taken >= all && taken < all + all / 10, "{taken} bytes are taken by rows of {all}");
    assert!(!oldest.is_empty() && oldest.iter().all(|file| file.exists()));
    flushed(vec![WriteOp::DeleteRange(vec![0].into(), vec![1].into())]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // Short rows, which stand in no blob file, so that compactions come along.
    for n in 0_u32.. {
        if blob_bytes(dir.path()) <= taken * 3 / 4 {
            break;
        }
        assert!(std::time::Instant::now() < until, "{} of {taken} bytes are taken", blob_bytes(dir.path()));
        flushed(vec![WriteOp::Put([&[2], &n.to_be_bytes()[..]].concat().into(), vec![0].into())]);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut kept = 0;
    let visit = &mut |_: &[u8], value: &[u8]| {
        kept += value.len() as u64;
        true
    };
    engine.scan(&[1], &[2], false, visit).unwrap();
    assert_eq!(kept, all / 2);
}
