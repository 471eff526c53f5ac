//! Who stands for election when a leader is lost.
//!
//! openraft's followers wait for the leader's lease and then for their own election timeout, which bounds the silence when
//! nothing better is known. Here the voters stand as soon as they hold the leader's node lost, one after the other, so that
//! they do not split the votes. A majority must hold it lost: the others deny their pre-votes, and nothing has happened.

use std::sync::Arc;
use std::time::Duration;

use hansard_domain::ShardId;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::Fatal;

use crate::raft::types::{Group, Types, Vote};
use crate::raft::{Detector, heirs, lease};

/// The pause before the second try; doubled up to the turn. The others may notice a little later, and deny the first.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// One replica's part in the succession of its shard's leaders.
pub(super) struct Succession {
    pub(super) shard: ShardId,
    pub(super) group: Group,
    pub(super) detector: Arc<Detector>,
    /// How long each voter has before the next one stands too: an election takes less.
    pub(super) turn: Duration,
}

impl Succession {
    /// Stands whenever the leader is lost, until the group stops.
    pub(super) async fn keep(self) {
        let mut nodes = self.detector.changed();
        let mut server = self.group.server_metrics();
        loop {
            if let Some(lost) = self.lost()
                && self.stand(lost).await.is_err()
            {
                return;
            }
            tokio::select! {
                changed = server.changed() => if changed.is_err() { return },
                changed = nodes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The vote of the leader, if that is lost.
    fn lost(&self) -> Option<Vote> {
        let vote = self.group.server_metrics().borrow_watched().vote;
        let leader = vote.leader_id.voted_for;
        (vote.committed && leader != *self.group.node_id() && self.detector.lost(leader)).then_some(vote)
    }

    /// Stands until the term has passed or the leader is heard again.
    async fn stand(&self, lost: Vote) -> Result<(), Fatal<Types>> {
        let Some(place) = self.place(lost) else { return Ok(()) };
        tokio::time::sleep(self.turn * place).await;
        if self.lost() != Some(lost) {
            return Ok(());
        }
        let (term, leader) = (lost.leader_id.term, lost.leader_id.voted_for);
        tracing::info!(shard = %self.shard, term, leader, "the leader is lost: standing for election");
        let mut pause = FIRST_PAUSE;
        while self.lost() == Some(lost) {
            lease::end(&self.group, lost).await?;
            self.group.trigger().elect(true).await?;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.turn);
        }
        Ok(())
    }

    /// This replica's place among those who may succeed the leader; none if it has no vote.
    fn place(&self, lost: Vote) -> Option<u32> {
        let server = self.group.server_metrics();
        let voters: Vec<u64> = server.borrow_watched().membership_config.voter_ids().collect();
        place(self.shard, &voters, lost.leader_id.voted_for, *self.group.node_id())
    }
}

/// The place of `me` among `voters` when `lost` has gone.
fn place(shard: ShardId, voters: &[u64], lost: u64, me: u64) -> Option<u32> {
    let mut heirs: Vec<u64> = voters.iter().copied().filter(|voter| *voter != lost).collect();
    heirs.sort_unstable();
    heirs.dedup();
    heirs.contains(&me).then_some(())?;
    u32::try_from(heirs.iter().filter(|heir| heirs::precedes(shard, **heir, me)).count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voter_has_a_place_of_its_own_and_nobody_else_has_one() {
        for shard in 0..=255 {
            let shard = ShardId::from_bytes([shard; 16]);
            let mut places: Vec<u32> =
                [9, 3, 5, 7].iter().filter_map(|&me| place(shard, &[9, 3, 5, 7, 3], 5, me)).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2]);
            assert_eq!(place(shard, &[9, 3, 5], 5, 1), None, "a learner");
        }
    }
}
