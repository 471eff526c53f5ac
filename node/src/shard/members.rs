//! A replica's membership: founding, changes, hand-over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::{ChangeMembers, RaftMetrics};

use super::error::MembershipError;
use super::lag;
use super::replica::Replica;
use crate::raft::types::{Types, parts};
use crate::raft::{Member, NodeInfo};

/// How often it is asked whether a new replica is still to be waited for.
const OBJECTIONS: Duration = Duration::from_secs(1);

type WriteError = RaftError<Types, ClientWriteError<Types>>;

impl Replica {
    /// Founds the group with these voters, on one of them and once for all: the caller sees to it that nobody else founds it.
    /// Does nothing if the group has been founded, so it may be repeated.
    ///
    /// # Errors
    /// This node is not among the voters, or the shard has stopped.
    pub async fn initialize(&self, voters: Vec<NodeInfo>) -> Result<(), MembershipError> {
        let voters: BTreeMap<u64, Member> = voters.into_iter().map(|node| (node.id, node.into())).collect();
        match self.inner.group.initialize(voters).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error)) => Err(MembershipError::Refused(error.to_string())),
            Err(RaftError::Fatal(error)) => Err(MembershipError::Stopped(error.to_string())),
        }
    }

    /// Makes these nodes the voters, and the only members: new ones first catch up as learners (they must host the shard
    /// already), then the voters change jointly, then who is left over goes. Repeating it continues where it stopped.
    /// `objection` is asked for again and again while it waits, and ends the change: the catching up may take so long that others
    /// are wanted meanwhile, or never end, as the new one is lost.
    ///
    /// # Errors
    /// Not the leader, the objection, another change under way, or a learner that does not catch up in time.
    pub async fn change_membership(
        &self,
        voters: Vec<NodeInfo>,
        objection: impl Fn() -> Option<MembershipError>,
    ) -> Result<(), MembershipError> {
        let check = || objection().map_or(Ok(()), Err);
        let wanted: BTreeSet<u64> = voters.iter().map(|node| node.id).collect();
        if wanted.is_empty() {
            return Err(MembershipError::Refused("a shard needs a voter".to_owned()));
        }
        let (now, learners) = (self.voter_sets(), self.members().1);
        for node in voters.into_iter().filter(|node| !now.iter().any(|set| set.contains(&node.id))) {
            check()?;
            tokio::select! {
                added = self.add_learner(node) => added?,
                error = objected(&objection) => return Err(error),
            }
        }
        check()?;
        if now != [wanted.clone()] {
            self.change("changing the voters", ChangeMembers::ReplaceAllVoters(wanted.clone())).await?;
        }
        let left_over: BTreeSet<u64> = learners.iter().map(|node| node.id).filter(|id| !wanted.contains(id)).collect();
        if !left_over.is_empty() {
            self.change("removing learners", ChangeMembers::RemoveNodes(left_over)).await?;
        }
        self.membership_committed().await?;
        // Else another leader has cut the change off.
        if self.voter_sets() == [wanted] { Ok(()) } else { Err(MembershipError::InProgress) }
    }

    /// Whose votes count: one set of node ids. While a change stands half way, two, the former voters and the next: each entry
    /// needs a majority of either. The leader that began it takes the second step; if it was lost in between, nobody does
    /// unless asked.
    fn voter_sets(&self) -> Vec<BTreeSet<u64>> {
        let server = self.inner.group.server_metrics();
        server.borrow_watched().membership_config.membership().get_joint_config().clone()
    }

    /// Whether a change of the voters stands half way.
    pub fn is_joint(&self) -> bool {
        self.voter_sets().len() > 1
    }

    /// All members, voters or not, as a quorum knows them and no other leader can have changed them meanwhile.
    ///
    /// # Errors
    /// Not the leader, or no quorum in time.
    pub async fn committed_members(&self) -> Result<BTreeSet<u64>, MembershipError> {
        self.membership_committed().await?;
        self.read_index().await.map_err(|error| MembershipError::Refused(error.to_string()))?;
        let server = self.inner.group.server_metrics();
        let server = server.borrow_watched();
        let members = &server.membership_config;
        // A change may have begun since.
        if server.committed_membership_config.log_id() != members.log_id() {
            return Err(MembershipError::InProgress);
        }
        Ok(members.nodes().map(|(id, _)| *id).collect())
    }

    /// Waits until the membership in effect is committed too. It takes effect when it is appended, maybe by an attempt before
    /// this one; while only the leader has it, another leader may do without it, and then a former voter that was switched off
    /// is missed.
    pub(super) async fn membership_committed(&self) -> Result<(), MembershipError> {
        let appended = {
            let server = self.inner.group.server_metrics();
            let server = server.borrow_watched();
            server.membership_config.log_id().as_ref().map_or(0, |id| parts(id).1)
        };
        let within = self.inner.tuning.propose_timeout;
        let mut applied = self.inner.progress.applied();
        let late = |_| MembershipError::Late { what: "committing the voters", after: within };
        let applied = tokio::time::timeout(within, applied.wait_for(|(_, applied)| *applied >= appended)).await;
        applied.map_err(late)?.map(drop).map_err(|_| MembershipError::Stopped("apply has ended".to_owned()))
    }

    async fn add_learner(&self, node: NodeInfo) -> Result<(), MembershipError> {
        let within = self.inner.tuning.snapshot_timeout;
        let (id, group) = (node.id, &self.inner.group);
        let caught_up = async {
            group.add_learner(id, node.into(), true).await.map_err(membership_error)?;
            // What is near enough for openraft may be half of what there is.
            let close = |now: &RaftMetrics<Types>| lag::is_close(now, id);
            group.wait(None).metrics(close, "a learner").await.map_err(|e| MembershipError::Stopped(e.to_string()))
        };
        let late = |_| MembershipError::Late { what: "catching up a new replica", after: within };
        tokio::time::timeout(within, caught_up).await.map_err(late)?.map(drop)
    }

    pub(super) async fn change(
        &self,
        what: &'static str,
        change: ChangeMembers<u64, Member>,
    ) -> Result<(), MembershipError> {
        let within = self.inner.tuning.propose_timeout;
        let changed = tokio::time::timeout(within, self.inner.group.change_membership(change, false)).await;
        changed.map_err(|_| MembershipError::Late { what, after: within })?.map(drop).map_err(membership_error)
    }

    /// Whether a leadership would be handed over to a node, if that one does not have it anyway.
    ///
    /// # Errors
    /// Not the leader, not a voter, or a voter that lacks entries.
    pub fn may_hand_over(&self, to: u64) -> Result<(), MembershipError> {
        let leadership = self.leads();
        if leadership.leader != Some(self.node()) {
            return Err(MembershipError::NotLeader { leader: leadership.leader });
        }
        if !self.members().0.iter().any(|node| node.id == to) {
            return Err(MembershipError::Refused(format!("node {to} is no voter of the shard")));
        }
        let keeps_up = to == self.node() || self.keeps_up(to);
        keeps_up.then_some(()).ok_or(MembershipError::Behind { node: to })
    }

    /// Hands the leadership to a voter that is up to date, and waits until somebody else leads. Meanwhile the shard takes nothing, so
    /// nobody is chosen who would have to catch up first.
    ///
    /// # Errors
    /// Those of [`may_hand_over`](Self::may_hand_over), or nobody took over within three election timeouts (this node may lead again
    /// then).
    pub(super) async fn transfer_leader(&self, to: u64) -> Result<(), MembershipError> {
        self.may_hand_over(to)?;
        let me = self.node();
        if to == me {
            return Ok(());
        }
        let group = &self.inner.group;
        group.trigger().transfer_leader(to).await.map_err(|e| MembershipError::Stopped(e.to_string()))?;
        let within: Duration = self.inner.tuning.election_max * 3;
        let other = |now: &super::Leadership| now.leader.is_some_and(|leader| leader != me);
        let late = |_| MembershipError::Late { what: "handing the leadership over", after: within };
        self.wait_leadership(within, other).await.map(drop).map_err(late)
    }
}

/// Waits for an objection; for ever if there is none.
async fn objected(objection: impl Fn() -> Option<MembershipError>) -> MembershipError {
    loop {
        tokio::time::sleep(OBJECTIONS).await;
        if let Some(error) = objection() {
            return error;
        }
    }
}

pub(super) fn membership_error(error: WriteError) -> MembershipError {
    match error {
        RaftError::Fatal(error) => MembershipError::Stopped(error.to_string()),
        RaftError::APIError(ClientWriteError::ForwardToLeader(to) | ClientWriteError::LogEntryDiscarded(to)) => {
            MembershipError::NotLeader { leader: to.leader_id }
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
        )) => MembershipError::InProgress,
        RaftError::APIError(other) => MembershipError::Refused(other.to_string()),
    }
}
