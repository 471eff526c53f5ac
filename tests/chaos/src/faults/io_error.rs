//! Syncs of a node fail with an IO error: it must end at once, and retry nothing.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::host::network::namespace;
use crate::host::process::Process;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "io_error",
    lane: Lane::Disturb,
    needs: Needs::Node,
    seconds: 0..=5,
    draw: |_, _| Box::new(IoError { tracer: None }),
};

/// Nodes sync all the time: one fails so soon, or there is nothing to sync.
const FAILS: Duration = Duration::from_secs(10);
/// How long a node may outlive a failed sync.
const ENDS: Duration = Duration::from_secs(5);

struct IoError {
    tracer: Option<Process>,
}

impl Fault for IoError {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let pid = slot.process.pid().context("it has just ended")?.to_string();
        let told = rig.paths.logs.join(format!("{}.strace", slot.name));
        // An old one tells of another fault; there may be none.
        let _ = std::fs::remove_file(&told);
        let path = told.display().to_string();
        let inject = "inject=fdatasync,fsync:error=EIO";
        let tracer = Process {
            namespace: namespace(&slot.name),
            command: ["strace", "-f", "-p", &pid, "-o", &path, "-e", "trace=fdatasync,fsync", "-e", inject]
                .map(str::to_owned)
                .to_vec(),
            environment: vec![],
            cgroups: vec![],
            log: rig.paths.logs.join("strace.log"),
            child: None.into(),
        };
        tracer.start()?;
        self.tracer = Some(tracer);
        let failed = || std::fs::read_to_string(&told).is_ok_and(|text| text.contains("INJECTED"));
        if !rig.wait(FAILS, failed) {
            return Ok(Outcome::Indeterminate(format!("{} has synced nothing", slot.name)));
        }
        if !rig.wait(ENDS, || slot.process.pid().is_none() || slot.process.ended().is_some()) && !rig.stopping() {
            rig.journal.fail(format!("{} goes on after a failed sync", slot.name));
        }
        Ok(Outcome::Installed(slot.name.clone()))
    }

    fn undo(&mut self, rig: &Rig, nodes: &[usize]) -> Result<()> {
        if let Some(tracer) = self.tracer.take() {
            tracer.stop(ENDS)?;
        }
        only(rig, nodes)?.process.start()
    }
}
