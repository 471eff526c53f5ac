//! Members without a vote: every node has a replica of meta, few of them vote.

use std::collections::BTreeSet;

use openraft::ChangeMembers;

use super::error::MembershipError;
use super::members::membership_error;
use super::replica::Replica;
use crate::raft::{Member, NodeInfo};

impl Replica {
    /// Adds a member without a vote, and does not wait until it has caught up. Repeating it changes nothing.
    ///
    /// # Errors
    /// Not the leader, or another change under way.
    pub async fn add_observer(&self, node: NodeInfo) -> Result<(), MembershipError> {
        let within = self.inner.tuning.propose_timeout;
        let added = tokio::time::timeout(within, self.inner.group.add_learner(node.id, node.into(), false)).await;
        let late = |_| MembershipError::Late { what: "adding an observer", after: within };
        added.map_err(late)?.map(drop).map_err(membership_error)
    }

    /// Removes a member without a vote.
    ///
    /// # Errors
    /// Not the leader, or another change under way.
    pub async fn remove_observer(&self, node: u64) -> Result<(), MembershipError> {
        self.change("removing an observer", ChangeMembers::RemoveNodes(BTreeSet::from([node]))).await
    }

    /// Changes which members vote; those that no longer do stay as observers.
    ///
    /// # Errors
    /// Not the leader, one of them is no member, or another change under way.
    pub async fn set_voters(&self, voters: BTreeSet<u64>) -> Result<(), MembershipError> {
        self.change_votes(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// Takes the second step of a change that [stands half way](Replica::is_joint). Does nothing if none does.
    ///
    /// # Errors
    /// Not the leader, or the first step is not committed.
    pub async fn finish_change(&self) -> Result<(), MembershipError> {
        match self.is_joint() {
            true => self.change_votes(ChangeMembers::AddVoterIds(BTreeSet::new())).await,
            false => Ok(()),
        }
    }

    async fn change_votes(&self, change: ChangeMembers<u64, Member>) -> Result<(), MembershipError> {
        let within = self.inner.tuning.propose_timeout;
        let changed = tokio::time::timeout(within, self.inner.group.change_membership(change, true)).await;
        let late = |_| MembershipError::Late { what: "changing the voters", after: within };
        changed.map_err(late)?.map(drop).map_err(membership_error)
    }
}
