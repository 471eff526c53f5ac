//! Stores for tests: the real one in a temporary directory, the simulated one in memory.

use std::sync::{Arc, Mutex};

use hansard_storage::{FreshIdentity, Options, RocksOptions, Seams, SimDisk, SimEngine, Store, WriterMode};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Files and RocksDB.
    Real,
    /// Memory, with crashes.
    Simulated,
}

/// Where a node's store lives; it outlives the store.
pub(crate) struct TestStore {
    node: u64,
    kind: Kind,
    dir: tempfile::TempDir,
    disk: SimDisk,
    engine: Mutex<SimEngine>,
}

impl TestStore {
    /// A place for the store of node 1.
    pub(crate) fn new(kind: Kind) -> TestStore {
        TestStore::of_node(1, kind)
    }

    /// A place for a node's store.
    pub(crate) fn of_node(node: u64, kind: Kind) -> TestStore {
        let dir = tempfile::tempdir().expect("a temporary directory");
        TestStore { node, kind, dir, disk: SimDisk::new(node), engine: Mutex::new(SimEngine::new()) }
    }

    /// Opens what is there.
    pub(crate) fn open(&self) -> Store {
        let fresh = FreshIdentity { store: [self.node as u8; 16], node: self.node };
        // Segments small enough to rotate in a test, large enough for a full entry.
        let options =
            Options { segment_bytes: 4 << 20, tail_cache_bytes: 1 << 20, ..Options::small(self.dir.path(), fresh) };
        if self.kind == Kind::Real {
            return Store::open_real(options, RocksOptions::default()).expect("the store opens");
        }
        let engine = self.engine.lock().expect("no holder panics").clone();
        let seams = Seams {
            disk: Arc::new(self.disk.clone()),
            engine: Box::new(move |check| {
                check(&engine)?;
                Ok(Arc::new(engine))
            }),
            writer: WriterMode::Thread,
            fatal: Arc::new(|what| panic!("storage failed: {what}")),
        };
        Store::open(options, seams).expect("the store opens")
    }

    /// Cuts the power under the store, if it is simulated, and opens what is left. The store before must be dropped.
    pub(crate) fn crash_and_open(&self) -> Store {
        self.crash();
        self.open()
    }

    /// Waits until nobody holds the real store any more: its tasks end a moment after it was stopped.
    pub(crate) async fn wait_closed(&self) {
        if self.kind == Kind::Simulated {
            return;
        }
        for _ in 0..500 {
            let fresh = FreshIdentity { store: [0; 16], node: 0 };
            match Store::open_real(Options::small(self.dir.path(), fresh), RocksOptions::default()) {
                Err(hansard_storage::OpenError::Locked(_)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await
                }
                _ => return,
            }
        }
        panic!("the store is still held");
    }

    /// Cuts the power under the store, if it is simulated.
    pub(crate) fn crash(&self) {
        if self.kind == Kind::Simulated {
            self.disk.crash();
            let mut engine = self.engine.lock().expect("no holder panics");
            *engine = engine.crash(0);
        }
    }
}
