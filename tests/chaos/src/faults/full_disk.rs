//! A node's disk fills up: nearly, so that it takes no more messages, or wholly.

use std::path::PathBuf;

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::shell::sh;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "full_disk",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=15,
    draw: |dice, _| Box::new(FullDisk { left: [300 << 20, 20 << 20, 0][dice.random_range(0..3)], filler: None }),
};

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
        let take = slot.volume.free_bytes()?.saturating_sub(self.left + (1 << 20));
        sh(&format!("fallocate -l {take} {}", filler.display()))?;
        let free = slot.volume.free_bytes()?;
        Ok(Outcome::Installed(format!("{}: {} MiB left", slot.name, free >> 20)))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        if let Some(filler) = self.filler.take().filter(|filler| filler.exists()) {
            std::fs::remove_file(filler)?;
        }
        // It may have ended for want of space; the supervisor starts it again.
        only(rig, nodes).map(drop)
    }
}
