//! A followed room, as its reader sees it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use hansard_proto::v1::{Event, Gap};
use tokio::sync::mpsc;

use crate::{ClientError, core::Core};

/// Where a follow starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Right after this seq; 0: at the room's first event.
    After(u64),
    /// With what happens from now on.
    Now,
}

/// What a follow hands out. Events, gaps and holes together cover every seq once, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// The follow stands; also after each reconnect. Left out when the reader is behind.
    Followed {
        /// The first item covers the seq right after this one.
        after_seq: u64,
        /// The room's newest seq at that time.
        head_seq: u64,
    },
    /// Something happened.
    Event(Event),
    /// Seqs that this person does not get, and why.
    Gap(Gap),
    /// Seqs that the server should have sent and did not: a fault, to be reported.
    Hole {
        /// The room's id.
        room: String,
        /// The first missing seq.
        from_seq: u64,
        /// The last missing seq.
        to_seq: u64,
    },
    /// The follow ended, such as by the person's removal. The last item.
    Ended(ClientError),
}

/// What the driver and the reader of one follow share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Set while the server is told to send no more, because the reader is behind.
    pub(crate) paused: AtomicBool,
    end: Mutex<Option<ClientError>>,
}

impl Shared {
    pub(crate) fn end(&self, error: ClientError) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take_end(&self) -> Option<ClientError> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A room that is being followed. Dropping it ends the follow.
pub struct Follow {
    pub(crate) core: Arc<Core>,
    pub(crate) room: String,
    pub(crate) id: u64,
    pub(crate) items: mpsc::Receiver<Item>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) buffer: usize,
}

impl Follow {
    /// The room's id, in its canonical form.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// The next item; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Item> {
        let item = self.items.recv().await;
        self.resume_if_drained();
        item.or_else(|| self.shared.take_end().map(Item::Ended))
    }

    /// Waits for items and appends all that are there, at most `most`. Returns how many; 0 after the last. Cancel-safe.
    pub async fn next_many(&mut self, items: &mut Vec<Item>, most: usize) -> usize {
        let count = self.items.recv_many(items, most).await;
        self.resume_if_drained();
        if count > 0 {
            return count;
        }
        let end = self.shared.take_end();
        let ended = usize::from(end.is_some());
        items.extend(end.map(Item::Ended));
        ended
    }

    fn resume_if_drained(&self) {
        if self.shared.paused.load(Ordering::Acquire) && self.items.len() <= self.buffer / 2 {
            self.core.resume_follow(&self.room, self.id);
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.core.end_follow(&self.room, self.id);
    }
}
