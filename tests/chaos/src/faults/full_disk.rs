//! A node's disk fills up: nearly, so that it takes no more messages, or wholly.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::shell::sh;
use crate::http::metric;
use crate::rig::Rig;
use crate::slot::Slot;

pub(super) const KIND: Kind = Kind {
    name: "full_disk",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(FullDisk { left: [300 << 20, 20 << 20, 0][dice.random_range(0..3)], filler: None }),
};

/// So soon a node takes no more messages, or ends.
const FELT: Duration = Duration::from_secs(5);

/// Bytes that are spared in one try after the other.
const SPARE: [u64; 4] = [1 << 20, 4 << 20, 16 << 20, 64 << 20];

struct FullDisk {
    /// Bytes that stay free.
    left: u64,
    filler: Option<PathBuf>,
}

impl Fault for FullDisk {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let filler = slot.volume.path().join("filler");
        self.filler = Some(filler.clone());
        // The node writes meanwhile, gigabytes where it takes a snapshot: what was free may not be any more.
        let fill = |spare: u64| -> Result<()> {
            let take = slot.volume.free_bytes()?.saturating_sub(self.left + spare);
            let filled = sh(&format!("fallocate -l {take} {}", filler.display()));
            filled.map(drop).inspect_err(|_| drop(std::fs::remove_file(&filler)))
        };
        let (last, others) = SPARE.split_last().expect("there are some");
        if !others.iter().any(|spare| fill(*spare).is_ok()) {
            fill(*last)?;
        }
        let what = format!("{}: {} MiB left", slot.name, slot.volume.free_bytes()? >> 20);
        let felt = || slot.process.ended().is_some() || slot.process.pid().is_none() || refuses_more(slot);
        Ok(if rig.wait(FELT, felt) {
            Outcome::Installed(what)
        } else {
            Outcome::Indeterminate(format!("{what}: it takes messages all the same"))
        })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        if let Some(filler) = self.filler.take().filter(|filler| filler.exists()) {
            std::fs::remove_file(filler)?;
            // Or a power cut that follows would bring it back, for ever.
            std::fs::File::open(only(rig, nodes)?.volume.path())?.sync_all()?;
        }
        // It may have ended for want of space; the supervisor starts it again.
        only(rig, nodes).map(drop)
    }
}

fn refuses_more(slot: &Slot) -> bool {
    metric(&slot.address, "node_accepting").is_ok_and(|accepting| accepting == 0.0)
}
