//! A node may open no more files and connections than it has open now. What it closes is taken up at once, by connections
//! that come and stay.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::network::inside;
use crate::host::shell::sh;
use crate::http::Knock;
use crate::rig::Rig;
use crate::slot::Slot;

pub(super) const KIND: Kind = Kind {
    name: "descriptors",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 4..=12,
    draw: |_, _| Box::new(Descriptors { pid: 0, before: String::new(), held: vec![], waits: None }),
};

/// How soon the last descriptor is taken.
const FELT: Duration = Duration::from_secs(20);
/// Whoever is not answered within this time is not let in, if there is no descriptor left.
const ANSWER: Duration = Duration::from_secs(1);
/// Between two tries to come in.
const AGAIN: Duration = Duration::from_millis(100);
/// How soon whoever waits is let in when there are descriptors again.
const LET_IN: Duration = Duration::from_secs(30);

struct Descriptors {
    pid: u32,
    /// `soft:hard`.
    before: String,
    /// Connections that took what was left.
    held: Vec<Knock>,
    /// The one after them.
    waits: Option<Knock>,
}

impl Fault for Descriptors {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let pid = slot.process.pid().context("it has just ended")?;
        let said = sh(&format!("prlimit --pid {pid} --nofile --noheadings --raw --output SOFT,HARD"))?;
        (self.pid, self.before) = (pid, said.trim().replace(' ', ":"));
        let most = open(pid)?.len() as u64;
        sh(&format!("prlimit --pid {pid} --nofile={most}:{}", self.before.rsplit(':').next().unwrap_or_default()))?;
        let until = Instant::now() + FELT;
        while self.waits.is_none() && Instant::now() < until && !rig.stopping() {
            if has_ended(slot) {
                return Ok(Outcome::Installed(format!("{}: {most}, and it ended", slot.name)));
            }
            let Ok(mut knock) = inside(&slot.process.namespace, || Knock::at(&slot.address)) else {
                // It has just ended, or does not serve yet.
                rig.sleep(AGAIN);
                continue;
            };
            if knock.is_answered(ANSWER)? {
                self.held.push(knock);
            } else if is_used_up(pid, most) {
                self.waits = Some(knock);
            }
        }
        let what = format!("{}: {most}, {} of them taken by connections", slot.name, self.held.len());
        Ok(match self.waits {
            Some(_) => Outcome::Installed(format!("{what}, and the next one waits")),
            None => Outcome::Indeterminate(format!("{what}, and it takes more")),
        })
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        let slot = only(rig, nodes)?;
        // The process may have ended, and another with the limits of old ones be in its place.
        if has_ended(slot) || slot.process.pid() != Some(self.pid) {
            return Ok(());
        }
        sh(&format!("prlimit --pid {} --nofile={}", self.pid, self.before))?;
        if let Some(mut knock) = self.waits.take() {
            let let_in = knock.is_answered(LET_IN)? || has_ended(slot);
            ensure!(let_in || rig.stopping(), "{} lets nobody in who waited for a descriptor", slot.name);
        }
        self.held.clear();
        Ok(())
    }
}

fn has_ended(slot: &Slot) -> bool {
    slot.process.pid().is_none() || slot.process.ended().is_some()
}

/// Descriptors that a process has open.
fn open(pid: u32) -> Result<BTreeSet<u64>> {
    let names = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
    Ok(names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Whether each number below the limit is taken: the kernel gives no other then.
fn is_used_up(pid: u32, most: u64) -> bool {
    open(pid).is_ok_and(|open| (0..most).all(|number| open.contains(&number)))
}
