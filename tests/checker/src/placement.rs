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
    voters: BTreeMap<u128, BTreeSet<String>>,
}

impl Placement {
    pub(crate) fn read(histories: &[History]) -> Result<Self> {
        let mut placement = Self::default();
        for history in of_kind(histories, Kind::Cluster) {
            history.lines(|line| {
                let Cluster::Shard { id, voters } = parse(line)?;
                placement.voters.insert(hex_id(id)?, voters.into_iter().map(str::to_owned).collect());
                Ok(())
            })?;
        }
        Ok(placement)
    }

    /// Whether a node's replica counts: it votes, or nothing is known of who does. Others may lag or be about to go.
    pub(crate) fn counts(&self, node: &str, shard: u128) -> bool {
        self.voters.is_empty() || self.voters.get(&shard).is_some_and(|voters| voters.contains(node))
    }

    /// Reports voters without a replica.
    pub(crate) fn demand(&self, seen: &BTreeSet<(String, u128)>, report: &mut Report) {
        for (shard, voters) in &self.voters {
            for node in voters.iter().filter(|node| !seen.contains(&((*node).clone(), *shard))) {
                report
                    .add(Violation::Replica, || format!("{node} votes in shard {shard:032x} and has no record of it"));
            }
        }
    }
}
