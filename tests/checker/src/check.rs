//! All checks over all histories of a run.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::files::{History, of_kind, open};
use crate::format::Kind;
use crate::placement::Placement;
use crate::report::Report;
use crate::rooms::Rooms;
use crate::{clients, followers, nodes, order};

/// What was checked, and what was found.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// Sends that were acked.
    pub acked: u64,
    /// Sends whose outcome their sender never learned.
    pub unknown: u64,
    /// Sends that were refused.
    pub refused: u64,
    /// Entries in rooms.
    pub entries: u64,
    /// Events that subscribers were handed out.
    pub events: u64,
    /// Replicas of shards.
    pub replicas: u64,
    /// What is wrong.
    pub report: Report,
}

/// Checks the histories in `paths`, files or directories of `.history` files, in `parts` passes.
///
/// # Errors
/// When a history cannot be read: nothing is known then.
pub fn check_files(paths: &[PathBuf], parts: u32) -> Result<Summary> {
    ensure!(parts > 0, "there must be at least one part");
    let histories = open(paths)?;
    for kind in [Kind::Client, Kind::Node] {
        ensure!(
            of_kind(&histories, kind).next().is_some(),
            "there is no history of a {kind:?}: nothing can be checked"
        );
    }
    check_all(&histories, parts)
}

fn check_all(histories: &[History], parts: u32) -> Result<Summary> {
    let placement = Placement::read(histories)?;
    let mut summary = Summary::default();
    for part in 0..parts {
        let mut rooms = Rooms::new(part, parts);
        let mut report = Report::default();
        let known = nodes::read(histories, &placement, &mut rooms, &mut report)?;
        if part == 0 {
            placement.demand(&known.seen, &mut report);
            summary.replicas = known.seen.len() as u64;
        }
        let outcomes = clients::read(histories, &mut rooms, &mut report)?;
        order::check(&rooms, &mut report);
        summary.events += followers::read(histories, &mut rooms, &mut report)?;
        summary.acked += outcomes.acked;
        summary.unknown += outcomes.unknown;
        summary.refused += outcomes.refused;
        summary.entries += rooms.rooms.values().map(|entries| entries.len() as u64).sum::<u64>();
        summary.report.merge(report);
    }
    Ok(summary)
}
