//! The meta group: nodes, placement, people.

use std::ops::Deref;
use std::sync::Arc;

use hansard_domain::meta::{MetaCommand, MetaOutcome, MetaView};
use hansard_failpoint::{self as failpoint, Point};
use tokio::sync::watch;

use super::batch::Seams;
use super::error::{MembershipError, ProposeError};
use super::proposer::Proposals;
use super::replica::Replica;

/// This node's replica of meta. Clones are handles to the same one.
#[derive(Clone)]
pub struct MetaShard {
    replica: Replica,
    proposals: Proposals<MetaCommand>,
    view: watch::Receiver<Arc<MetaView>>,
}

impl Deref for MetaShard {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl MetaShard {
    pub(super) fn start(replica: Replica, seams: Seams, view: watch::Receiver<Arc<MetaView>>) -> MetaShard {
        let proposals = Proposals::start(&replica, seams, Arc::default());
        MetaShard { replica, proposals, view }
    }

    /// Proposes a command and waits until it is applied here. `view` shows it then.
    ///
    /// # Errors
    /// Without an outcome; see [`ProposeError`] for what may be concluded.
    pub async fn propose(&self, command: MetaCommand) -> Result<MetaOutcome, ProposeError> {
        let now = self.leads();
        if !now.serving {
            let leader = now.leader.filter(|&leader| leader != self.node());
            return Err(ProposeError::NotLeader { leader });
        }
        let outcome = self.proposals.propose(command, self.replica.inner.tuning.propose_timeout).await;
        failpoint::pass(Point::MetaAnswer);
        outcome
    }

    /// Hands the leadership over, as [`ShardHost::transfer_leader`](super::ShardHost::transfer_leader) does.
    ///
    /// # Errors
    /// As there.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), MembershipError> {
        self.replica.transfer_leader(to).await
    }

    /// Meta's state as applied here, now and from now on.
    pub fn view(&self) -> watch::Receiver<Arc<MetaView>> {
        self.view.clone()
    }
}
