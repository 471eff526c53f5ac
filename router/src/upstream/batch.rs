//! What waits for a link: encoded as it comes, and drained in batches.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use hansard_proto::cluster::v1::{LinkRequest, NodeCall, Signal, Subscribe};
use hansard_proto::hot::{ProposeCall, put_call};
use prost::Message;

use crate::limits::{BATCH_BYTES, BATCH_ITEMS, LINK_QUEUE};

/// One thing to tell a node.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Propose(ProposeCall<'a>),
    Call(Box<NodeCall>),
    Subscribe(Subscribe),
    Unsubscribe(Bytes),
    Signal(Signal),
}

/// See the module. A batch is the bytes of a `LinkRequest`, whose items can be put one after the other.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// Full, or to come before what did not fit into them.
    closed: VecDeque<(BytesMut, usize)>,
    open: BytesMut,
    /// In the open batch.
    items: usize,
    /// In all.
    waiting: usize,
    /// The open batch ends a subscription.
    unsubscribes: bool,
    /// Of the link's writer, while it has nothing to write.
    pub(super) writer: Option<Waker>,
}

impl Batches {
    /// Adds an item. False: too much waits already.
    pub(super) fn put(&mut self, item: Item<'_>) -> bool {
        if self.waiting >= LINK_QUEUE {
            return false;
        }
        // Within a batch a node subscribes before it unsubscribes: what came the other way round needs another batch.
        let conflicts = matches!(item, Item::Subscribe(_)) && self.unsubscribes;
        if conflicts || self.items >= BATCH_ITEMS || self.open.len() >= BATCH_BYTES {
            self.close();
        }
        self.items += 1;
        self.waiting += 1;
        let out = &mut self.open;
        let request = match item {
            Item::Propose(call) => {
                put_call(out, &call);
                return true;
            }
            Item::Call(call) => LinkRequest { calls: vec![*call], ..LinkRequest::default() },
            Item::Subscribe(subscribe) => LinkRequest { subscribe: vec![subscribe], ..LinkRequest::default() },
            Item::Unsubscribe(room) => {
                self.unsubscribes = true;
                LinkRequest { unsubscribe: vec![room], ..LinkRequest::default() }
            }
            Item::Signal(signal) => LinkRequest { signals: vec![signal], ..LinkRequest::default() },
        };
        request.encode(out).expect("a buffer that grows has room");
        true
    }

    /// The next batch.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.closed.is_empty() && self.items > 0 {
            self.close();
        }
        let (batch, items) = self.closed.pop_front()?;
        self.waiting -= items;
        Some(batch.freeze())
    }

    fn close(&mut self) {
        self.closed.push_back((std::mem::take(&mut self.open), std::mem::take(&mut self.items)));
        self.unsubscribes = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(room: u8) -> Item<'static> {
        Item::Subscribe(Subscribe { room: vec![room; 16].into(), ..Subscribe::default() })
    }

    fn unsubscribe(room: u8) -> Item<'static> {
        Item::Unsubscribe(vec![room; 16].into())
    }

    fn call(id: u64) -> Item<'static> {
        Item::Call(Box::new(NodeCall { id, ..NodeCall::default() }))
    }

    fn taken(batches: &mut Batches) -> LinkRequest {
        LinkRequest::decode(batches.take().expect("something waits")).unwrap()
    }

    #[test]
    fn drains_what_waits_and_keeps_the_order_of_subscriptions() {
        let mut batches = Batches::default();
        for item in [subscribe(1), unsubscribe(1), subscribe(1), subscribe(2), call(1)] {
            assert!(batches.put(item));
        }
        let (first, second) = (taken(&mut batches), taken(&mut batches));
        assert_eq!((first.subscribe.len(), first.unsubscribe.len()), (1, 1));
        assert_eq!((second.subscribe.len(), second.unsubscribe.len(), second.calls.len()), (2, 0, 1));
        assert!(batches.take().is_none());
    }

    #[test]
    fn a_batch_is_bounded_and_so_is_what_waits() {
        let mut batches = Batches::default();
        let mut put = 0;
        while batches.put(call(put)) {
            put += 1;
        }
        assert_eq!(put as usize, LINK_QUEUE);
        let mut ids = 0..put;
        while let Some(batch) = batches.take() {
            let calls = LinkRequest::decode(batch).unwrap().calls;
            assert!(calls.len() <= BATCH_ITEMS);
            assert!(calls.iter().all(|call| Some(call.id) == ids.next()), "in order");
        }
        assert!(ids.next().is_none() && batches.put(call(1)), "there is room again");
        let large =
            |id| Item::Call(Box::new(NodeCall { id, traceparent: "x".repeat(BATCH_BYTES / 2), ..NodeCall::default() }));
        assert!((0..4).all(|id| batches.put(large(id))));
        assert_eq!(taken(&mut batches).calls.len(), 3, "the small one, and as many as it takes");
        assert_eq!(taken(&mut batches).calls.len(), 2);
    }
}
