//! How far the replicas have come, read from the nodes' metrics.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use crate::http::metrics;
use crate::rig::Rig;

/// A shard's replica: the newest entry applied, and the record's entries.
pub(crate) type Applied = (u64, u64);

/// Shard to replica, on one node.
pub(crate) fn of_node(address: &str) -> Result<BTreeMap<String, Applied>> {
    let mut replicas: BTreeMap<String, Applied> = BTreeMap::new();
    for line in metrics(address)?.lines() {
        if let Some((shard, value)) = gauge(line, "node_shard_applied_index{") {
            replicas.entry(shard).or_default().0 = value;
        } else if let Some((shard, value)) = gauge(line, "node_shard_record_entries{") {
            replicas.entry(shard).or_default().1 = value;
        }
    }
    Ok(replicas)
}

fn gauge(line: &str, name: &str) -> Option<(String, u64)> {
    let (_, labels) = line.split_once(name)?;
    let (shard, value) = labels.split_once("shard=\"")?.1.split_once("\"} ")?;
    Some((shard.to_owned(), value.trim().parse().ok()?))
}

/// How many voters the shard of this name has when none is missing.
pub(crate) fn voters(name: &str) -> usize {
    if name == "meta" { 5 } else { 3 }
}

/// Each shard's voters, by the names of their places, and the entries of its record.
pub(crate) type Placement = BTreeMap<String, (BTreeSet<String>, u64)>;

/// Who votes where, if all replicas are equal and nothing is under way to change who they are; else what is not so yet.
pub(crate) fn equal(rig: &Rig) -> Result<Placement> {
    let status = rig.operator.status()?;
    let name_of = |id: &u64| -> Result<String> {
        let node = status.nodes.iter().find(|node| node.id == *id);
        let node = node.with_context(|| format!("node {id} votes and is not listed"))?;
        Ok(rig.slot_at(&node.address)?.name.clone())
    };
    let serving = rig.slots.iter().filter(|slot| rig.claims.serves(slot.number));
    let replicas: BTreeMap<&str, BTreeMap<String, Applied>> = serving
        .map(|slot| Ok((&*slot.name, of_node(&slot.address).with_context(|| format!("asking {}", slot.name))?)))
        .collect::<Result<_>>()?;
    let mut placement = Placement::new();
    for shard in &status.shards {
        let voters = shard.voters.iter().map(name_of).collect::<Result<BTreeSet<String>>>()?;
        let wanted = self::voters(&shard.name);
        ensure!(voters.len() == wanted, "shard {} has {} voters of {wanted}", shard.name, voters.len());
        let applied: BTreeSet<Option<&Applied>> =
            voters.iter().map(|name| replicas.get(&**name)?.get(&shard.id)).collect();
        let same = if applied.len() == 1 { applied.first().copied().flatten() } else { None };
        let (_, entries) = *same.with_context(|| format!("shard {}: {applied:?}", shard.name))?;
        placement.insert(shard.id.clone(), (voters, entries));
    }
    Ok(placement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_gauge_of_a_shard() {
        let line = "hansard_node_shard_applied_index{shard=\"00ff\"} 42";
        assert_eq!(gauge(line, "node_shard_applied_index{"), Some(("00ff".to_owned(), 42)));
        assert_eq!(gauge("# HELP node_shard_applied_index", "node_shard_applied_index{"), None);
    }
}
