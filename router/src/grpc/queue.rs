//! Frames on their way from a session to HTTP/2: whatever waits is taken at once, and one side wakes the other once for many.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio_stream::Stream;
use tonic::Status;

use crate::connection::Gone;
use crate::limits::{GRPC_BYTES, GRPC_FRAMES};

/// A frame, or how the stream ends.
type Item = Result<Bytes, Status>;

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Of HTTP/2, while there is nothing to take.
    taker: Option<Waker>,
    /// Of the session, while there is no room.
    giver: Option<Waker>,
    closed: bool,
}

/// The session's end. Dropped, it ends the stream after what waits.
#[derive(Debug)]
pub(super) struct Giver(Arc<Mutex<State>>);

/// HTTP/2's end. Dropped, the client is gone.
#[derive(Debug)]
pub(super) struct Taker {
    shared: Arc<Mutex<State>>,
    /// Taken, but not handed on yet.
    taken: VecDeque<Item>,
}

/// Both ends of an empty queue.
pub(super) fn queue() -> (Giver, Taker) {
    let shared = Arc::<Mutex<State>>::default();
    (Giver(shared.clone()), Taker { shared, taken: VecDeque::new() })
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Giver {
    /// Whether there is room for a frame. While there is none, what waits is on its way.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let taker = {
            let mut state = lock(&self.0);
            if state.closed {
                return Poll::Ready(Err(Gone));
            }
            if state.items.len() < GRPC_FRAMES && state.bytes < GRPC_BYTES {
                return Poll::Ready(Ok(()));
            }
            state.giver = Some(cx.waker().clone());
            state.taker.take()
        };
        wake(taker);
        Poll::Pending
    }

    /// Adds an item, which goes with the next [`Giver::flush`].
    pub(super) fn push(&self, item: Item) -> Result<(), Gone> {
        let mut state = lock(&self.0);
        if state.closed {
            return Err(Gone);
        }
        state.bytes += item.as_ref().map_or(0, Bytes::len);
        state.items.push_back(item);
        Ok(())
    }

    /// Has what waits taken.
    pub(super) fn flush(&self) -> Result<(), Gone> {
        let mut state = lock(&self.0);
        if state.closed {
            return Err(Gone);
        }
        let taker = if state.items.is_empty() { None } else { state.taker.take() };
        drop(state);
        wake(taker);
        Ok(())
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.closed = true;
        let taker = state.taker.take();
        drop(state);
        wake(taker);
    }
}

impl Stream for Taker {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(item) = self.taken.pop_front() {
            return Poll::Ready(Some(item));
        }
        let (mut taken, giver) = {
            let mut state = lock(&self.shared);
            if state.items.is_empty() {
                if state.closed {
                    return Poll::Ready(None);
                }
                state.taker = Some(cx.waker().clone());
                drop(state);
                // Idle connections hold no buffers.
                self.taken = VecDeque::new();
                return Poll::Pending;
            }
            state.bytes = 0;
            (std::mem::take(&mut state.items), state.giver.take())
        };
        wake(giver);
        let first = taken.pop_front();
        self.taken = taken;
        Poll::Ready(first)
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.closed = true;
        state.items.clear();
        let giver = state.giver.take();
        drop(state);
        wake(giver);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{FutureExt, StreamExt};

    use super::*;

    async fn ready(giver: &Giver) -> Result<(), Gone> {
        poll_fn(|cx| giver.poll_ready(cx)).await
    }

    #[tokio::test]
    async fn what_waits_is_taken_in_order_and_ends_with_the_giver() {
        let (giver, mut taker) = queue();
        assert!(taker.next().now_or_never().is_none());
        for n in 0..3 {
            ready(&giver).await.unwrap();
            giver.push(Ok(Bytes::from(vec![n]))).unwrap();
        }
        giver.push(Err(Status::aborted("over"))).unwrap();
        drop(giver);
        for n in 0..3 {
            assert_eq!(taker.next().await.unwrap().unwrap(), vec![n]);
        }
        assert!(taker.next().await.unwrap().is_err() && taker.next().await.is_none());
    }

    #[tokio::test]
    async fn a_giver_without_room_waits_for_the_taker_and_is_told_when_it_goes() {
        let (giver, mut taker) = queue();
        let reader = tokio::spawn(async move {
            let first = taker.next().await;
            (first, taker)
        });
        tokio::task::yield_now().await;
        for _ in 0..GRPC_FRAMES {
            ready(&giver).await.unwrap();
            giver.push(Ok(Bytes::new())).unwrap();
        }
        // Nobody flushed: that there is no room must be enough.
        ready(&giver).await.unwrap();
        let (first, taker) = reader.await.unwrap();
        assert!(first.is_some());
        for _ in 0..GRPC_FRAMES {
            giver.push(Ok(Bytes::new())).unwrap();
        }
        let waits = tokio::spawn(async move { ready(&giver).await });
        tokio::task::yield_now().await;
        drop(taker);
        assert_eq!(waits.await.unwrap(), Err(Gone));
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let (giver, mut taker) = queue();
        giver.push(Ok(Bytes::from(vec![0; GRPC_BYTES]))).unwrap();
        assert!(ready(&giver).now_or_never().is_none());
        assert!(taker.next().await.is_some());
        assert!(ready(&giver).now_or_never().is_some());
    }
}
