//! What waits for a link, drained into batches.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hansard_proto::cluster::v1::{LinkHello, LinkRequest, NodeCall, Signal, Subscribe};
use prost::Message;
use tokio::sync::mpsc;

use crate::limits::{BATCH_BYTES, BATCH_ITEMS};

/// One thing to tell a node.
#[derive(Debug)]
pub(super) enum Item {
    Call(Box<NodeCall>),
    Subscribe(Subscribe),
    Unsubscribe(Bytes),
    Signal(Signal),
}

/// The outgoing half of a link: the hello, then everything that waits, as few batches as possible.
#[derive(Debug)]
pub(super) struct Batches {
    hello: Option<LinkHello>,
    items: mpsc::Receiver<Item>,
    /// Taken from the queue, but to come after what is in the batch already.
    carry: Option<Item>,
}

impl Batches {
    pub(super) fn new(hello: LinkHello, items: mpsc::Receiver<Item>) -> Self {
        Self { hello: Some(hello), items, carry: None }
    }
}

impl Stream for Batches {
    type Item = LinkRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LinkRequest>> {
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(LinkRequest { hello: Some(hello), ..LinkRequest::default() }));
        }
        let mut batch = LinkRequest::default();
        let (mut items, mut bytes) = (0, 0);
        while items < BATCH_ITEMS && bytes < BATCH_BYTES {
            let item = match self.carry.take() {
                Some(item) => item,
                None if items == 0 => match self.items.poll_recv(cx) {
                    Poll::Ready(Some(item)) => item,
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                },
                None => match self.items.try_recv() {
                    Ok(item) => item,
                    Err(_) => break,
                },
            };
            if conflicts(&batch, &item) {
                self.carry = Some(item);
                break;
            }
            items += 1;
            bytes += add(&mut batch, item);
        }
        Poll::Ready(Some(batch))
    }
}

/// Within a batch a node subscribes before it unsubscribes: what came the other way round needs another batch.
fn conflicts(batch: &LinkRequest, item: &Item) -> bool {
    matches!(item, Item::Subscribe(_)) && !batch.unsubscribe.is_empty()
}

fn add(batch: &mut LinkRequest, item: Item) -> usize {
    match item {
        Item::Call(call) => {
            let bytes = call.encoded_len();
            batch.calls.push(*call);
            bytes
        }
        Item::Subscribe(subscribe) => {
            batch.subscribe.push(subscribe);
            64
        }
        Item::Unsubscribe(room) => {
            batch.unsubscribe.push(room);
            20
        }
        Item::Signal(signal) => {
            batch.signals.push(signal);
            64
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn subscribe(room: u8) -> Item {
        Item::Subscribe(Subscribe { room: vec![room; 16].into(), ..Subscribe::default() })
    }

    fn unsubscribe(room: u8) -> Item {
        Item::Unsubscribe(vec![room; 16].into())
    }

    #[tokio::test]
    async fn drains_the_queue_and_keeps_the_order_of_subscriptions() {
        let (sender, receiver) = mpsc::channel(16);
        for item in [subscribe(1), unsubscribe(1), subscribe(1), subscribe(2), Item::Call(Box::default())] {
            sender.try_send(item).unwrap();
        }
        drop(sender);
        let batches: Vec<_> = Batches::new(LinkHello::default(), receiver).collect().await;
        assert_eq!(batches.len(), 3);
        assert!(batches[0].hello.is_some() && batches[0].subscribe.is_empty());
        assert_eq!((batches[1].subscribe.len(), batches[1].unsubscribe.len()), (1, 1));
        assert_eq!((batches[2].subscribe.len(), batches[2].calls.len()), (2, 1));
    }

    #[tokio::test]
    async fn a_batch_is_bounded() {
        let (sender, receiver) = mpsc::channel(BATCH_ITEMS + 1);
        for _ in 0..=BATCH_ITEMS {
            sender.try_send(Item::Call(Box::default())).unwrap();
        }
        drop(sender);
        let mut batches = Batches::new(LinkHello::default(), receiver).skip(1);
        assert_eq!(batches.next().await.unwrap().calls.len(), BATCH_ITEMS);
        assert_eq!(batches.next().await.unwrap().calls.len(), 1);
    }
}
