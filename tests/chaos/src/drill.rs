//! How soon a lost leader is replaced: in a cluster that is well, the node that leads most shards is killed, and every room
//! waits for the ack of something that was sent after that.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::load::Load;
use crate::rig::Rig;
use crate::slot::Slot;

/// How long rooms may take to take messages again before the drill fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the node that is back gets to catch up, and leaders to be balanced again.
const SETTLE: Duration = Duration::from_secs(4);

/// Kills leaders, one after the other; how long each was missed.
pub(crate) fn drill(rig: &Rig, load: &Load, times: u32) -> Result<Vec<Duration>> {
    let mut missed = vec![];
    for _ in 0..times {
        if rig.ending() {
            break;
        }
        let (slot, leads) = busiest(rig)?;
        let hands = rig.claims.take_node(slot.number, PATIENCE).context("the node is in other hands")?;
        slot.process.kill()?;
        let killed = rig.journal.now();
        load.watch_from(killed);
        let all = rig.wait(PATIENCE, || load.all_rooms_took().is_some());
        ensure!(all || rig.stopping(), "a room took nothing for {PATIENCE:?} after {} was killed", slot.name);
        let time = Duration::from_nanos(load.all_rooms_took().unwrap_or(killed) - killed);
        rig.journal
            .say(format!("{} led {leads} shards and was killed: all rooms took messages after {time:?}", slot.name));
        missed.push(time);
        slot.process.start()?;
        drop(hands);
        rig.sleep(SETTLE);
    }
    missed.sort();
    Ok(missed)
}

/// The node that leads most shards, and how many.
fn busiest(rig: &Rig) -> Result<(&Slot, usize)> {
    let status = rig.operator.status()?;
    let leads = |id: u64| status.shards.iter().filter(|shard| shard.leader == id).count();
    let node = status.nodes.iter().max_by_key(|node| leads(node.id)).context("no nodes are listed")?;
    Ok((rig.slot_at(&node.address)?, leads(node.id)))
}

/// The figure below which this share of the sorted times lie.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_secs).collect();
        assert_eq!(quantile(&times, 0.5), Duration::from_secs(50));
        assert_eq!(quantile(&times, 0.99), Duration::from_secs(99));
        assert_eq!(quantile(&times[..5], 0.99), Duration::from_secs(5));
        assert_eq!(quantile(&[], 0.99), Duration::ZERO);
    }
}
