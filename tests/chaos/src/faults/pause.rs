//! A node's process stands still, and does not know it when it goes on.

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind =
    Kind { name: "pause", lane: Lane::Disturb, needs: Needs::Node, seconds: 1..=15, draw: |_, _| Box::new(Pause) };

struct Pause;

impl Fault for Pause {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        slot.process.signal(Signal::STOP)?;
        let pid = slot.process.pid().context("it has just ended")?;
        let stands = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
        };
        if !rig.wait(std::time::Duration::from_secs(2), stands) {
            return Ok(Outcome::Indeterminate(format!("{} does not stand still", slot.name)));
        }
        Ok(Outcome::Installed(slot.name.clone()))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        let process = &only(rig, nodes)?.process;
        match process.pid() {
            Some(_) => process.signal(Signal::CONT),
            None => Ok(()),
        }
    }
}
