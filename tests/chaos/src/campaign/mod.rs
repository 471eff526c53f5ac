//! Runs of one kind of fault: as often as can be.

mod copies;
mod corruption;
mod outcomes;
mod repeat;

use anyhow::Result;

use crate::args;
use crate::load::Load;
use crate::rig::Rig;
use crate::verdict::Faults;

/// Runs a campaign until there were so many faults, or the time is over.
pub(crate) fn run(rig: &Rig, load: &Load, args: &args::Run, seed: u64, name: &str) -> Result<Faults> {
    match name {
        "corruption" => corruption::run(rig, load, args, seed),
        name => repeat::run(rig, load, args, seed, name),
    }
}
