//! Faults, a file for each kind.

mod blackout;
mod clock;
pub(crate) mod corrupt;
mod cpu;
mod decommission;
mod descriptors;
mod freeze;
mod full_disk;
mod io_error;
mod join;
mod kill;
mod links;
mod memory;
mod pause;
mod power_cut;
mod rolling;
mod router_kill;
mod slow_disk;
mod thin_pipe;
mod wan_delay;
mod wipe;

use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use rand::rngs::StdRng;

use crate::claims::Needs;
use crate::rig::Rig;
use crate::slot::Slot;

/// Something that breaks, and is healed after a while. How it strikes was drawn when it was planned; where is what was free of what
/// its kind needs, given as numbers of nodes, of a router or of a site.
pub(crate) trait Fault: Send {
    /// Breaks something, and sees to it that it took hold.
    ///
    /// # Errors
    /// The means do not work on this machine.
    fn install(&mut self, rig: &Rig, numbers: &[usize]) -> Result<Outcome>;

    /// Heals it, also after an installation that failed half-way.
    ///
    /// # Errors
    /// It is not healed: the run fails.
    fn undo(&mut self, rig: &Rig, numbers: &[usize]) -> Result<()>;
}

/// What became of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took hold; what it struck.
    Installed(String),
    /// It could not be done.
    Skipped(String),
    /// It was done, but nothing shows that it took hold.
    Indeterminate(String),
}

/// Which faults overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Several at once. Nothing that was synced is lost by it.
    Disturb,
    /// One at a time, as it takes a replica of some shards away for good; other faults go on meanwhile.
    Displace,
}

/// A kind of faults.
pub(crate) struct Kind {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which faults overlap with it.
    pub(crate) lane: Lane,
    /// What it must have to itself: until it is healed, or, where it displaces, until it is installed.
    pub(crate) needs: Needs,
    /// How long it lasts, in seconds.
    pub(crate) seconds: RangeInclusive<u64>,
    /// Draws one that lasts so many seconds.
    pub(crate) draw: fn(&mut StdRng, u64) -> Box<dyn Fault>,
}

/// All kinds.
pub(crate) const KINDS: [Kind; 24] = [
    blackout::KIND,
    clock::KIND,
    corrupt::KIND,
    cpu::KIND,
    decommission::KIND,
    descriptors::KIND,
    freeze::KIND,
    full_disk::KIND,
    io_error::KIND,
    join::KIND,
    kill::KIND,
    links::LOSS,
    memory::KIND,
    links::ONE_WAY,
    links::PARTITION,
    pause::KIND,
    power_cut::KIND,
    rolling::KIND,
    router_kill::KIND,
    links::SITE_CUT,
    slow_disk::KIND,
    thin_pipe::KIND,
    wan_delay::KIND,
    wipe::KIND,
];

/// The one node that a fault got.
fn only<'a>(rig: &'a Rig, nodes: &[usize]) -> Result<&'a Slot> {
    rig.slots.get(sole(nodes)?).context("there is no such node")
}

/// The one number that a fault got.
fn sole(numbers: &[usize]) -> Result<usize> {
    numbers.first().copied().context("nothing was given")
}
