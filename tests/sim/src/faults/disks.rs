//! Disks that fail, fill up, slow down, and rot.

use std::time::Duration;

use hansard_storage::{Disk, SimDisk, disk::SimDiskFaults};
use rand::{Rng, seq::IndexedRandom};
use turmoil::Sim;

use super::{Broken, Faults};
use crate::{keeper::Keeper, machine::Machine, trace::note};

/// Blocks of the state that turn bad at once.
const BAD_BLOCKS: u32 = 4;
/// Bytes of an entry that are found nowhere but where it is logged.
const TELLING: usize = 16;

impl Faults {
    /// A write, a sync or a flush fails, soon: the process must end.
    pub(super) fn fail_disk(&mut self, keeper: &Keeper, now: Duration) {
        let (after, until) = (self.rng.random_range(0..8), now + self.length());
        let Some(node) = self.some_node(keeper).filter(|node| !self.is_broken(&Broken::BadDisk(*node))) else { return };
        let machine = &keeper.machines[node];
        let (kind, faults) = match self.rng.random_range(0..4) {
            0 => ("write fails", SimDiskFaults { write_error_after: Some(after), ..SimDiskFaults::default() }),
            1 => ("sync fails", SimDiskFaults { sync_error_after: Some(after), ..SimDiskFaults::default() }),
            2 => {
                machine.engine().fail_write_after(after);
                ("state write fails", SimDiskFaults::default())
            }
            _ => {
                machine.engine().fail_flush_after(0);
                ("state flush fails", SimDiskFaults::default())
            }
        };
        note(&format!("FAULT on node{node} a {kind} after {after}"));
        machine.disk().set_faults(faults);
        self.break_until(until, Broken::BadDisk(node), kind);
    }

    /// A disk has little room left, or none.
    pub(super) fn fill_disk(&mut self, keeper: &Keeper, now: Duration) {
        let (room, until) = (self.rng.random_range(0..800 << 10), now + self.length());
        let Some(node) = self.some_node(keeper).filter(|node| !self.is_broken(&Broken::BadDisk(*node))) else { return };
        let disk = keeper.machines[node].disk();
        let capacity = Some(disk.used_bytes() + room);
        disk.set_faults(SimDiskFaults { capacity, ..SimDiskFaults::default() });
        note(&format!("FAULT the disk of node{node} has room for {room} bytes"));
        self.break_until(until, Broken::BadDisk(node), "full disk");
    }

    /// A disk takes long.
    pub(super) fn slow_disk(&mut self, keeper: &Keeper, now: Duration) {
        let until = now + self.length();
        let Some(node) = self.some_node(keeper).filter(|node| !self.is_broken(&Broken::SlowDisk(*node))) else {
            return;
        };
        keeper.machines[node].state().slow = true;
        self.break_until(until, Broken::SlowDisk(node), "slow disk");
    }

    /// A bit of a closed log segment or a block of the state turns bad. Only where no other data is lost: what is promised is
    /// to survive the loss of one node.
    pub(super) fn damage(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, now: Duration) {
        let (dice, back) = (self.rng.random::<u64>(), now + self.length());
        let Some(node) = self.some_node(keeper).filter(|_| keeper.may_lose()) else { return };
        if self.rng.random() {
            self.flip(sim, keeper, node, dice, back);
        } else if (0..BAD_BLOCKS).filter(|at| keeper.machines[node].engine().damage(dice.rotate_left(*at))).count() > 0
        {
            note(&format!("FAULT blocks of the state of node{node} turn bad"));
            keeper.machines[node].state().damaged = true;
            self.count("state damaged");
        }
    }

    /// A log is read as a whole when its node starts, so that is when the flip shows.
    fn flip(&mut self, sim: &mut Sim<'_>, keeper: &mut Keeper, node: usize, dice: u64, back: Duration) {
        let machine = &keeper.machines[node];
        let place = if self.rng.random() { newest_entry(machine, dice) } else { self.old_byte(machine, dice) };
        let Some((segment, at)) = place else { return };
        let bit = (dice % 8) as u8;
        note(&format!("FAULT a bit of {segment} of node{node} flips at {at}, and its process ends"));
        machine.disk().flip_bit(&segment, at, bit);
        keeper.machines[node].state().damaged = true;
        keeper.end(sim, node, false, back);
        self.count("log damaged");
    }

    /// Anywhere in a segment that is closed.
    fn old_byte(&mut self, machine: &Machine, dice: u64) -> Option<(String, usize)> {
        let disk = machine.disk();
        let mut segments = segments(&disk);
        segments.pop();
        let newest = segments.last().filter(|_| dice.is_multiple_of(2));
        let segment = newest.or(segments.choose(&mut self.rng))?;
        let len = disk.len(segment).ok()??;
        Some((segment.clone(), self.rng.random_range(0..len as usize)))
    }
}

/// In what a shard has logged last: the state, which was not flushed since, does not know of it.
fn newest_entry(machine: &Machine, dice: u64) -> Option<(String, usize)> {
    let (store, disk) = (machine.store()?, machine.disk());
    let shards = store.shards();
    let log = store.shard(*shards.get(dice as usize % shards.len().max(1))?).ok()?.log();
    let (_, last) = log.bounds().last?;
    let entry = log.read(last, last + 1, usize::MAX).ok()?.pop()?;
    let payload = Some(&entry.payload).filter(|payload| payload.len() >= TELLING)?;
    let find = |segment: String| {
        let bytes = disk.read(&segment).ok()??;
        let at = bytes.windows(payload.len()).position(|window| window == &payload[..])?;
        Some((segment, at + (dice >> 8) as usize % payload.len()))
    };
    segments(&disk).into_iter().rev().find_map(find)
}

fn segments(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
}
