//! How much one link may have under way: calls, and bytes of pages; all in all, and for each shard.
//!
//! The bounds of a shard come first, so that one that stalls leaves room for the others.

use std::{collections::HashMap, sync::Arc};

use hansard_domain::{ShardId, limits::MAX_PAGE_BYTES};
use hansard_proto::cluster::v1::{NodeCall, node_call::Call};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::links::Permit;

/// Calls under way on one link, answers that wait to be sent included. At 16 KiB a call it holds 128 MiB at the very most.
const CALLS: usize = 8_192;

/// Of these, for one shard.
const CALLS_PER_SHARD: usize = 4_096;

/// Calls for pages under way for one shard on one link; few, as they wait for room and not for a quorum alone.
const PAGE_CALLS_PER_SHARD: usize = 256;

/// KiB of pages under way on one link, those that wait to be sent included: their answers are far larger than their questions.
const PAGES_KIB: usize = 8 << 10;

/// Of these, for one shard: the largest page, or seven of those that sessions follow by.
const PAGES_KIB_PER_SHARD: usize = 2_112;

/// KiB that a listing may have: 1,000 rooms or people with their names.
const LISTING_KIB: u32 = 256;

/// Shards whose bounds are kept; beyond any cluster's number.
const SHARDS: usize = 4_096;

/// See the module.
pub(super) struct Bounds {
    calls: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    shards: HashMap<ShardId, Shard>,
}

struct Shard {
    calls: Arc<Semaphore>,
    page_calls: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

/// A page's part of the bounds, to be waited for.
pub(super) struct Page {
    kib: u32,
    of_shard: Arc<Semaphore>,
    of_link: Arc<Semaphore>,
}

impl Bounds {
    /// Of a link that has nothing under way.
    pub(super) fn new() -> Bounds {
        Bounds {
            calls: Arc::new(Semaphore::new(CALLS)),
            pages: Arc::new(Semaphore::new(PAGES_KIB)),
            shards: HashMap::new(),
        }
    }

    /// Whether the link has as many calls under way as it may.
    pub(super) fn is_full(&self) -> bool {
        self.calls.available_permits() == 0
    }

    /// Waits until it has fewer, which holds the router's stream back.
    pub(super) async fn room(&self) {
        let _ = self.calls.acquire().await;
    }

    /// Leave for a call, and the page that it must wait for. Waits while the link has as many calls as it may, which holds the
    /// router's stream back. `Err` has leave for a refusal: there are too many for this shard.
    pub(super) async fn enter(&mut self, call: &NodeCall) -> Result<(Permit, Option<Page>), Permit> {
        let of_link = match self.calls.clone().try_acquire_owned() {
            Ok(of_link) => of_link,
            Err(_) => self.calls.clone().acquire_owned().await.expect("it is never closed"),
        };
        let pages = &self.pages;
        let shard = of_call(&mut self.shards, call);
        let permit = |of_shard| Permit { _link: of_link, _shard: of_shard, _page: None };
        let kib = kib(call);
        let calls = if kib == 0 { &shard.calls } else { &shard.page_calls };
        match calls.clone().try_acquire_owned() {
            Ok(of_shard) => {
                let page = || Page { kib, of_shard: shard.pages.clone(), of_link: pages.clone() };
                Ok((permit(Some(of_shard)), (kib > 0).then(page)))
            }
            Err(_) => Err(permit(None)),
        }
    }
}

fn of_call<'a>(shards: &'a mut HashMap<ShardId, Shard>, call: &NodeCall) -> &'a Shard {
    let shard = ShardId::from_slice(&call.shard).unwrap_or(ShardId::META);
    if shards.len() >= SHARDS {
        shards.retain(|_, shard| shard.is_used());
    }
    let new = || Shard {
        calls: Arc::new(Semaphore::new(CALLS_PER_SHARD)),
        page_calls: Arc::new(Semaphore::new(PAGE_CALLS_PER_SHARD)),
        pages: Arc::new(Semaphore::new(PAGES_KIB_PER_SHARD)),
    };
    shards.entry(shard).or_insert_with(new)
}

impl Shard {
    fn is_used(&self) -> bool {
        [&self.calls, &self.page_calls, &self.pages].iter().any(|semaphore| Arc::strong_count(semaphore) > 1)
    }
}

impl Page {
    /// Waits until the page may be made; what is returned is held until it is on its way.
    pub(super) async fn wait(self) -> [OwnedSemaphorePermit; 2] {
        let of_shard = self.of_shard.acquire_many_owned(self.kib).await.expect("it is never closed");
        let of_link = self.of_link.acquire_many_owned(self.kib).await.expect("it is never closed");
        [of_shard, of_link]
    }
}

/// What the answer may weigh; 0 for what is no page.
fn kib(call: &NodeCall) -> u32 {
    match &call.call {
        Some(Call::ReadHistory(wanted)) => {
            let bytes = match wanted.limit_bytes {
                0 => MAX_PAGE_BYTES,
                asked => MAX_PAGE_BYTES.min(asked as usize),
            };
            // An entry weighs more than its content, and the last one may cross the bound.
            u32::try_from(2 * bytes / 1_024 + 32).expect("pages are bounded")
        }
        Some(
            Call::ScanRooms(_) | Call::ScanMembers(_) | Call::ScanPeople(_) | Call::ReadPeople(_) | Call::ReadUnread(_),
        ) => LISTING_KIB,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hansard_proto::cluster::v1::ReadHistory;

    use super::*;

    fn history(shard: u8) -> NodeCall {
        let call = Some(Call::ReadHistory(ReadHistory::default()));
        NodeCall { shard: vec![shard; 16].into(), call, ..NodeCall::default() }
    }

    #[tokio::test]
    async fn a_shard_that_stalls_leaves_room_for_the_pages_of_others() {
        let mut bounds = Bounds::new();
        let mut held = Vec::new();
        let mut take = async |shard| {
            let Ok((_permit, page)) = bounds.enter(&history(shard)).await else { panic!("few calls") };
            let page = page.expect("history is a page").wait().now_or_never();
            page.map(|page| held.push(page)).is_some()
        };
        for shard in 1..=3 {
            assert!(take(shard).await, "shard {shard} has room");
            assert!(!take(shard).await, "one page of 1 MiB, reckoned with 2, for a shard");
        }
        assert!(!take(4).await, "at most 8 MiB for a link");
        held.clear();
    }

    #[tokio::test]
    async fn calls_are_bounded_for_each_shard_and_proposals_wait_for_no_page() {
        let mut bounds = Bounds::new();
        let propose = NodeCall { shard: vec![1; 16].into(), ..NodeCall::default() };
        let mut held = Vec::new();
        for _ in 0..CALLS_PER_SHARD {
            let Ok((permit, page)) = bounds.enter(&propose).await else { panic!("within the bound") };
            assert!(page.is_none());
            held.push(permit);
        }
        assert!(bounds.enter(&propose).await.is_err());
        assert!(bounds.enter(&history(2)).await.is_ok());
        for _ in 0..PAGE_CALLS_PER_SHARD {
            held.push(bounds.enter(&history(1)).await.unwrap_or_else(|_| panic!("within the bound")).0);
        }
        assert!(bounds.enter(&history(1)).await.is_err());
    }
}
