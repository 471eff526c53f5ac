//! A node's machine: a disk and an engine that outlive its process, and the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hansard_domain::ShardId;
use hansard_node::RunError;
use hansard_runtime::SeededEntropy;
use hansard_storage::{
    LogPosition, OpenError, Options, Seams, SimDisk, SimEngine, Store, Vote, WriterMode, disk::SimDiskFaults,
};
use turmoil::Sim;

use crate::{
    clock::HostClock,
    findings::Findings,
    layout::{node_config, node_name},
    lying::LyingDisk,
    net::TurmoilTransport,
    seed::Plan,
    trace::note,
};

/// How often what would be the store's threads run.
const PUMP: Duration = Duration::from_millis(2);
/// How much longer what waits for them waits on a slow disk. Where the log is written in line, that is marks and flushes of the
/// state alone.
const SLOWNESS: u32 = 60;
const SEGMENT_BYTES: u64 = 256 << 10;

/// What of a node outlives its process.
#[derive(Default)]
pub(crate) struct State {
    /// Data directories that the machine has had before this one.
    pub(crate) generation: u64,
    /// Processes so far.
    life: u64,
    /// The id in the data directory, once there is one.
    pub(crate) id: Option<u64>,
    /// Why the process must end, which it has not yet.
    pub(crate) doomed: Option<String>,
    /// Why the node does not start with the data that it has.
    pub(crate) refused: Option<String>,
    /// The disk is slow.
    pub(crate) slow: bool,
    /// Something in the data directory was damaged.
    pub(crate) damaged: bool,
    store: Option<Store>,
    promised: Promised,
}

/// What was durable when a process ended: each shard's last entry and vote.
type Promised = BTreeMap<ShardId, (Option<LogPosition>, Option<Vote>)>;

/// A node's machine. Clones share it.
#[derive(Clone)]
pub(crate) struct Machine {
    /// Its number.
    pub(crate) index: usize,
    /// Its clock.
    pub(crate) clock: Arc<HostClock>,
    state: Arc<Mutex<State>>,
    ground: Arc<Mutex<(SimDisk, SimEngine)>>,
    findings: Findings,
    seed: u64,
    mode: WriterMode,
    snapshot_entries: u64,
    lying: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// A machine with an empty disk.
    pub(crate) fn new(index: usize, plan: &Plan, findings: &Findings) -> Self {
        let seed = plan.derive("node", index);
        Self {
            index,
            clock: Arc::new(HostClock::new(plan.clocks[index])),
            state: Arc::default(),
            ground: Arc::new(Mutex::new((SimDisk::new(seed), SimEngine::new()))),
            findings: findings.clone(),
            seed,
            mode: plan.writer,
            snapshot_entries: plan.snapshot_entries,
            lying: plan.lying,
        }
    }

    /// What outlives the process. Not across a call of the store: that may fail, and look here.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Its store, while its process lives.
    pub(crate) fn store(&self) -> Option<Store> {
        self.state().store.clone()
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> SimDisk {
        lock(&self.ground).0.clone()
    }

    /// Its engine.
    pub(crate) fn engine(&self) -> SimEngine {
        lock(&self.ground).1.clone()
    }

    /// Ends its process; with the power, what was not synced is lost as the seed says.
    pub(crate) fn end(&self, sim: &mut Sim<'_>, power: bool, dice: u64) {
        let store = self.store();
        let promised = store.as_ref().and_then(|store| self.promises(store));
        {
            let mut state = self.state();
            state.life += 1;
            state.store = None;
            state.promised = promised.unwrap_or_default();
            (state.doomed, state.refused) = (None, None);
        }
        // First the disk, so that nothing is tidied up by what ends with the process.
        match power {
            true => self.disk().crash(),
            false => self.disk().kill(),
        }
        sim.crash(node_name(self.index));
        drop(store);
        let mut ground = lock(&self.ground);
        ground.1 = ground.1.crash(dice);
    }

    /// Puts an empty disk in; the data is gone. The process must have ended.
    pub(crate) fn renew(&self) {
        let mut state = self.state();
        let (generation, life) = (state.generation + 1, state.life);
        *state = State { generation, life, ..State::default() };
        let seed = self.seed.wrapping_add(generation);
        *lock(&self.ground) = (SimDisk::new(seed), SimEngine::new());
    }

    /// What must be there after the next start; nothing if the disk has failed or something is on its way to it.
    fn promises(&self, store: &Store) -> Option<Promised> {
        if self.state().doomed.is_some() || self.disk().struck() > 0 || store.stats().view().queue_depth > 0 {
            return None;
        }
        let of = |id| {
            let log = store.shard(id).ok()?.log();
            Some((id, (log.bounds().last, log.vote())))
        };
        Some(store.shards().into_iter().filter_map(of).collect())
    }

    /// The node's process.
    pub(crate) async fn run(self) -> turmoil::Result {
        let (generation, life) = {
            let state = self.state();
            (state.generation, state.life)
        };
        let opener = self.clone();
        let seams = hansard_node::Seams {
            transport: Arc::new(TurmoilTransport),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.seed ^ life.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            open: Some(Arc::new(move |options| opener.open(options))),
        };
        let config = node_config(self.index, generation, self.snapshot_entries);
        let running = hansard_node::run(config, seams).await;
        let handle = running.map_err(|error| {
            note(&format!("node did not start: {error}"));
            let mut state = self.state();
            match error {
                RunError::Store(OpenError::Damaged { .. } | OpenError::Engine(_)) | RunError::Host(_) => {
                    state.refused = Some(error.to_string());
                }
                other => state.doomed = Some(other.to_string()),
            }
        });
        std::future::pending::<()>().await;
        drop(handle);
        Ok(())
    }

    fn open(&self, options: Options) -> Result<Store, OpenError> {
        let (disk, engine) = (self.disk(), self.engine());
        let life = self.state().life;
        let (machine, dying) = (self.clone(), disk.clone());
        let seams = Seams {
            disk: if self.lying { Arc::new(LyingDisk(disk)) } else { Arc::new(disk) },
            engine: Box::new(move |check| {
                check(&engine)?;
                Ok(Arc::new(engine))
            }),
            writer: self.mode,
            fatal: Arc::new(move |what| {
                let mut state = machine.state();
                if state.life == life {
                    // The process would end here: nothing that it still does reaches the disk.
                    dying.kill();
                    state.doomed = Some(what.to_owned());
                    note(&format!("storage failed, the process ends: {what}"));
                }
            }),
        };
        let store = Store::open(self.options(options), seams)?;
        self.check(&store);
        let mut state = self.state();
        state.id = Some(store.identity().node);
        state.store = Some(store.clone());
        drop(state);
        tokio::spawn(pump(self.clone(), store.clone()));
        Ok(store)
    }

    fn options(&self, options: Options) -> Options {
        Options {
            cluster: options.cluster,
            segment_bytes: SEGMENT_BYTES,
            flush_after_bytes: 64 << 10,
            ballast_bytes: SEGMENT_BYTES,
            stop_accepting_below: 3 * SEGMENT_BYTES,
            free_ballast_below: SEGMENT_BYTES,
            ..Options::small(options.dir, options.fresh)
        }
    }

    /// What was durable when the last process ended is there, whatever happened to the disk since: else the store would
    /// not have opened.
    fn check(&self, store: &Store) {
        let promised = std::mem::take(&mut self.state().promised);
        for (id, (last, vote)) in promised.into_iter().filter(|(_, promise)| *promise != (None, None)) {
            let Ok(shard) = store.shard(id) else { continue };
            let (bounds, found) = (shard.log().bounds(), shard.log().vote());
            let shorter = bounds.last.map(|(_, index)| index) < last.map(|(_, index)| index);
            if shorter || found != vote {
                let what = format!("{last:?} and {vote:?}, now there are {:?} and {found:?}", bounds.last);
                self.findings.add("durable", &format!("node{} had synced of shard {id} {what}", self.index));
            }
        }
    }

    /// Clears planned failures.
    pub(crate) fn mend_disk(&self) {
        self.disk().set_faults(SimDiskFaults::default());
        self.engine().mend();
    }
}

/// Does what the store's threads do in production, until the process ends.
async fn pump(machine: Machine, store: Store) {
    for round in 1u64.. {
        let slow = machine.state().slow;
        tokio::time::sleep(if slow { PUMP * SLOWNESS } else { PUMP }).await;
        store.pump();
        if round.is_multiple_of(8) {
            store.sync_mark();
        }
        if round.is_multiple_of(64) {
            store.probe_space();
            // A failure has called the fatal hook.
            let _ = store.flush_if_due();
        }
    }
}
