//! A node may open no more files and connections than it has open now.

use anyhow::{Context, Result, ensure};

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::shell::sh;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "descriptors",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=12,
    draw: |_, _| Box::new(Descriptors { pid: 0, before: String::new() }),
};

struct Descriptors {
    pid: u32,
    /// `soft:hard`.
    before: String,
}

impl Fault for Descriptors {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let pid = slot.process.pid().context("it has just ended")?;
        let said = sh(&format!("prlimit --pid {pid} --nofile --noheadings --raw --output SOFT,HARD"))?;
        (self.pid, self.before) = (pid, said.trim().replace(' ', ":"));
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        sh(&format!("prlimit --pid {pid} --nofile={open}:{}", self.before.rsplit(':').next().unwrap_or_default()))?;
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let line = limits.lines().find(|line| line.starts_with("Max open files")).context("no such limit")?;
        ensure!(line.split_whitespace().nth(3) == Some(&open.to_string()), "the limit is not there: {line}");
        Ok(Outcome::Installed(format!("{}: {open}", slot.name)))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        // The process may have ended, and another with the limits of old ones be in its place.
        match only(rig, nodes)?.process.pid() == Some(self.pid) {
            true => sh(&format!("prlimit --pid {} --nofile={}", self.pid, self.before)).map(drop),
            false => Ok(()),
        }
    }
}
