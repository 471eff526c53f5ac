//! Who must have which shard.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::files::{History, of_kind, parse};
use crate::format::{Cluster, Kind};
use crate::ids::hex_id;
use crate::report::{Report, Violation};

/// Shards, and the names of the nodes that vote in each.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    shards: BTreeMap<u128, Place>,
}

/// Who must have a shard, and how much of it.
#[derive(Debug)]
struct Place {
    voters: BTreeSet<String>,
    entries: u64,
}

impl Placement {
    pub(crate) fn read(histories: &[History]) -> Result<Self> {
        let mut placement = Self::default();
        for history in of_kind(histories, Kind::Cluster) {
            history.lines(|line| {
                let Cluster::Shard { id, voters, entries } = parse(line)?;
                let voters = voters.into_iter().map(str::to_owned).collect();
                placement.shards.insert(hex_id(id)?, Place { voters, entries });
                Ok(())
            })?;
        }
        Ok(placement)
    }

    /// Whether a node's replica counts: it votes, or nothing is known of who does. Others may lag or be about to go.
    pub(crate) fn counts(&self, node: &str, shard: u128) -> bool {
        self.shards.is_empty() || self.shards.get(&shard).is_some_and(|place| place.voters.contains(node))
    }

    /// Entries of a shard that every voter must have, if that is known; else all must have as many.
    pub(crate) fn entries(&self, shard: u128) -> Option<u64> {
        self.shards.get(&shard).map(|place| place.entries)
    }

    /// Reports voters without a replica.
    pub(crate) fn demand(&self, seen: &BTreeSet<(String, u128)>, report: &mut Report) {
        for (shard, place) in &self.shards {
            for node in place.voters.iter().filter(|node| !seen.contains(&((*node).clone(), *shard))) {
                report
                    .add(Violation::Replica, || format!("{node} votes in shard {shard:032x} and has no record of it"));
            }
        }
    }
}
