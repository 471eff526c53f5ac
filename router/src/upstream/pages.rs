//! What one person may have under way of what nodes bound most tightly: pages, whose answers are far larger than their questions.

use hansard_domain::{PersonId, ShardId};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::rpc::Status;
use tokio::time::Instant;

use super::Upstream;
use crate::directory::Target;
use crate::limits::{CALL_TIMEOUT, PAGES_PER_PERSON};
use crate::principal::Principal;
use crate::refuse;
use crate::shares::Share;

impl Upstream {
    /// Leave for a call: waits while it is a page and the person has as many as may be. `None` for what is no page.
    ///
    /// # Errors
    /// There was no leave in the time of a call; nothing was done.
    pub(super) async fn leave(
        &self,
        who: Option<&Principal>,
        target: Target,
        call: &Call,
    ) -> Result<Option<Share>, Status> {
        let Some(who) = who.filter(|_| is_page(call)) else { return Ok(None) };
        let share = self.pages.wait(self.holder(who, target), Instant::now() + CALL_TIMEOUT).await;
        share.map(Some).ok_or_else(|| refuse::overloaded("pages of a person at a shard", PAGES_PER_PERSON))
    }

    /// Leave for a page, if it can be had at once.
    pub(super) fn leave_now(&self, who: &Principal, target: Target) -> Option<Share> {
        self.pages.take(self.holder(who, target))
    }

    fn holder(&self, who: &Principal, target: Target) -> (PersonId, ShardId) {
        (who.person, self.directory.route(target).map_or(ShardId::META, |route| route.shard))
    }
}

/// What nodes reckon as pages.
fn is_page(call: &Call) -> bool {
    matches!(
        call,
        Call::ReadHistory(_)
            | Call::ScanRooms(_)
            | Call::ScanMembers(_)
            | Call::ScanPeople(_)
            | Call::ReadPeople(_)
            | Call::ReadUnread(_)
    )
}
