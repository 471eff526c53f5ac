//! Opening a data directory: whose it is, whether it is whole, and what a crash left half done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hansard_domain::ShardId;
use hansard_failpoint::{self as failpoint, Point};

use crate::disk::{Disk, DiskLock};
use crate::engine::{View, WriteOp};
use crate::error::{OpenError, StoreError};
use crate::identity::Identity;
use crate::log::{self, Front, Ledger, LogConfig, NodeLog};
use crate::mark::{AppliedMark, LogPosition};
use crate::options::{Options, Seams};
use crate::pressure::Space;
use crate::shard::{Durable, ShardStore};
use crate::state::ShardRows;
use crate::state::directory::{self, Listed};
use crate::state::tables::Tables;
use crate::stats::Stats;
use crate::store::Inner;

/// An open directory.
pub(crate) struct Opened {
    pub(crate) inner: Inner,
}

/// What is to be done to a shard before it is used.
enum Repair {
    /// Nothing.
    None,
    /// Reset the log to the rows: they are ahead of it, and nothing the log ever held is missing.
    Reset(LogPosition),
    /// It was being removed.
    Remove,
}

pub(crate) fn open(options: &Options, seams: Seams) -> Result<Opened, OpenError> {
    check(options)?;
    let disk = seams.disk;
    let lock = take_lock(disk.as_ref(), options)?;
    let known = Identity::read(disk.as_ref())?;
    if let (Some(Identity { cluster: Some(found), .. }), Some(expected)) = (known, options.cluster)
        && found != expected
    {
        return Err(OpenError::ForeignCluster { found, expected });
    }
    let fresh = Identity { store: options.fresh.store, node: options.fresh.node, cluster: None };
    let identity = known.unwrap_or(fresh);
    let stats = Arc::new(Stats::default());
    let space = Arc::new(Space::new(Arc::clone(&disk), options, Arc::clone(&stats)));
    space.probe();

    let room = Arc::clone(&space);
    let scanned = log::scan(LogConfig {
        disk: Arc::clone(&disk),
        store: identity.store,
        fresh: known.is_none(),
        options,
        mode: seams.writer,
        fatal: Arc::clone(&seams.fatal),
        stats: Arc::clone(&stats),
        make_room: Box::new(move || room.free_ballast()),
    })?;
    let (mut listed, mut repairs) = (Vec::new(), BTreeMap::new());
    let engine = (seams.engine)(&mut |state| {
        listed = match known {
            Some(identity) => read_directory(state, &identity)?,
            None => expect_unused(state)?,
        };
        repairs = compare(scanned.ledger(), &listed)?;
        Ok(())
    })?;
    let log = Arc::new(scanned.start()?);
    let next = directory::next_keyspace(engine.as_ref()).map_err(unreadable)?;
    let tables = Arc::new(Tables::new(engine, next, Arc::clone(&seams.fatal), Arc::clone(&stats)));
    let row = directory::store_row(identity.store, identity.cluster);
    tables.write(vec![WriteOp::Put(directory::store_key().into(), row.into())]).map_err(unreadable)?;
    let shards = assemble(&log, &tables, listed, &repairs).map_err(unreadable)?;
    tables.sweep().map_err(unreadable)?;
    if known.is_none() {
        tables.flush().map_err(unreadable)?;
        // Last: from now on a missing log is a damaged one.
        identity.write(disk.as_ref()).map_err(OpenError::io("writing IDENTITY"))?;
        failpoint::pass(Point::IdentityWritten);
    }
    let inner = Inner {
        identity: Mutex::new(identity),
        disk,
        log,
        tables,
        shards: Mutex::new(shards),
        space,
        stats,
        fatal: seams.fatal,
        flush_after_bytes: options.flush_after_bytes,
        flush_after_log_bytes: options.flush_after_log_bytes,
        flushed_at: Mutex::new(0),
        background: Mutex::new(None),
        _lock: lock,
    };
    Ok(Opened { inner })
}

fn check(options: &Options) -> Result<(), OpenError> {
    let segment = options.segment_bytes;
    if !segment.is_multiple_of(4096) || !(32 << 10..=1 << 31).contains(&segment) {
        return Err(OpenError::BadOption(format!(
            "segment_bytes is {segment}: a multiple of 4096 from 32 KiB to 2 GiB is needed"
        )));
    }
    if options.queue_operations == 0 || options.batch_bytes == 0 {
        return Err(OpenError::BadOption("queue_operations and batch_bytes must not be 0".into()));
    }
    Ok(())
}

fn take_lock(disk: &dyn Disk, options: &Options) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock("LOCK")
        .map_err(OpenError::io("locking the data directory"))?
        .ok_or_else(|| OpenError::Locked(options.dir.clone()))
}

fn unreadable(error: StoreError) -> OpenError {
    match error {
        StoreError::Engine(error) => OpenError::Engine(error),
        other => OpenError::damaged(other.to_string(), "state/"),
    }
}

/// The shards the state has, once it is sure that the state is this store's.
fn read_directory(state: &dyn View, identity: &Identity) -> Result<Vec<(ShardId, Listed)>, OpenError> {
    let row = state.get(&directory::store_key())?;
    if let Some(row) = row {
        let (store, cluster) = directory::read_store_row(&row).map_err(|e| unreadable(e.into()))?;
        if store != identity.store {
            return Err(OpenError::damaged("the state belongs to another store than IDENTITY says", "state/"));
        }
        if cluster.is_some() && cluster != identity.cluster {
            return Err(OpenError::damaged("IDENTITY is older than the state, or was replaced", "IDENTITY"));
        }
    }
    directory::list(state).map_err(unreadable)
}

/// The shards of a state without IDENTITY: none. It may be that of a start which ended before the directory had one; what it
/// says of the store is written anew.
fn expect_unused(state: &dyn View) -> Result<Vec<(ShardId, Listed)>, OpenError> {
    let row = state.get(&directory::store_key())?;
    let cluster = row.map(|row| directory::read_store_row(&row)).transpose().map_err(|e| unreadable(e.into()))?;
    let listed = directory::list(state).map_err(unreadable)?;
    if cluster.is_some_and(|(_, cluster)| cluster.is_some()) || !listed.is_empty() {
        return Err(OpenError::damaged("IDENTITY is missing, but the state was used", "IDENTITY"));
    }
    Ok(listed)
}

/// Compares log and state, shard by shard.
fn compare(ledger: &Ledger, listed: &[(ShardId, Listed)]) -> Result<BTreeMap<ShardId, Repair>, OpenError> {
    let mut repairs = BTreeMap::new();
    let state: BTreeMap<_, _> = listed.iter().map(|(id, listed)| (*id, listed)).collect();
    for shard in ledger.shards.values() {
        let id = shard.state.id;
        let listed = state.get(&id).copied();
        if listed.is_some_and(|l| l.row.removed) {
            repairs.insert(id, Repair::Remove);
            continue;
        }
        let applied = listed.and_then(|l| l.mark.as_ref()).map(AppliedMark::position);
        let purged = shard.state.purged.map(|(_, index)| index);
        if purged > applied.map(|(_, index)| index) {
            let what = format!(
                "shard {id} is applied up to {applied:?}, but its log was purged up to {purged:?}: rows are missing"
            );
            return Err(OpenError::damaged(what, "state/"));
        }
        let (Some(applied), Some(listed)) = (applied, listed) else {
            continue;
        };
        let last = shard.state.last;
        let installed = listed.row.installed.filter(|(_, index)| purged < Some(*index));
        let at = |index| shard.position(index).or(shard.state.purged.filter(|(_, i)| *i == index));
        let repair = if last.is_none_or(|(_, index)| index < applied.1) {
            if last.map_or(0, |(_, index)| index) < listed.logged {
                let what = format!("the log of shard {id} ends at {last:?}, but had entry {}", listed.logged);
                return Err(OpenError::damaged(what, "log/"));
            }
            Repair::Reset(applied)
        } else if installed.is_some_and(|position| at(position.1) != Some(position)) {
            Repair::Reset(applied)
        } else if purged < Some(applied.1) && at(applied.1) != Some(applied) {
            let what = format!("shard {id} has applied {applied:?}, its log has another entry there");
            return Err(OpenError::damaged(what, "log/ or state/"));
        } else {
            Repair::None
        };
        repairs.insert(id, repair);
    }
    let in_log: Vec<ShardId> = ledger.shards.values().map(|s| s.state.id).collect();
    for (id, listed) in listed.iter().filter(|(id, _)| !in_log.contains(id)) {
        if listed.row.removed {
            repairs.insert(*id, Repair::Remove);
        } else if listed.logged > 0 {
            return Err(OpenError::damaged(format!("the log has nothing of shard {id}"), "log/"));
        } else if let Some(mark) = &listed.mark {
            repairs.insert(*id, Repair::Reset(mark.position()));
        } else {
            // Its creation did not reach the log, so nothing was promised.
            repairs.insert(*id, Repair::Remove);
        }
    }
    Ok(repairs)
}

/// Puts log and state together, and does the repairs.
fn assemble(
    log: &Arc<NodeLog>,
    tables: &Arc<Tables>,
    listed: Vec<(ShardId, Listed)>,
    repairs: &BTreeMap<ShardId, Repair>,
) -> Result<BTreeMap<ShardId, ShardStore>, StoreError> {
    let fronts: BTreeMap<ShardId, Arc<Front>> = log.fronts().into_iter().map(|f| (f.id, f)).collect();
    for (id, listed) in listed {
        match repairs.get(&id) {
            Some(Repair::Remove) => {
                if let Some(front) = fronts.get(&id) {
                    let (done, removed) = Durable::new(log);
                    log.remove(front, done);
                    removed.wait().map_err(|e| StoreError::Log(e.to_string()))?;
                }
                // What came of a snapshot for it is swept.
                tables.finish_remove(id, listed.row.keyspace, None)?;
            }
            _ => tables.adopt(id, listed),
        }
    }
    let mut shards = BTreeMap::new();
    let ids: Vec<ShardId> = fronts.keys().chain(repairs.keys()).copied().collect();
    for id in ids {
        if matches!(repairs.get(&id), Some(Repair::Remove)) || shards.contains_key(&id) {
            continue;
        }
        let shard = match tables.shard(id) {
            Some(shard) => shard,
            None => tables.create(id)?,
        };
        let front = fronts.get(&id).map_or_else(|| log.create(id), Arc::clone);
        let rows = ShardRows { tables: Arc::clone(tables), shard, front };
        let store = ShardStore { log: Arc::clone(log), rows };
        if let Some(Repair::Reset(position)) = repairs.get(&id) {
            store.log().purge(*position).wait().map_err(|e| StoreError::Log(e.to_string()))?;
        }
        shards.insert(id, store);
    }
    Ok(shards)
}
