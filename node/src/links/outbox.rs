//! What waits to be sent on one link: bounded, ordered per room, taken in batches by the link's writer.

use std::collections::{HashMap, VecDeque, hash_map::Entry as Slot};

use bytes::Bytes;
use hansard_domain::RoomId;
use hansard_proto::{
    cluster::v1::{
        Committed, Directory, Entry, LinkResponse, LinkWelcome, NodeReply, Proposed, RoomFeed, Signal, SubscribedAt,
        node_reply::Outcome,
    },
    rpc::Status,
};
use prost::Message;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::lock::Mutex;

/// Bytes of entries that may wait for one link. Beyond it, its subscriptions lag and are fed from storage.
const FEED_BYTES: usize = 2 << 20;

/// Below so many waiting bytes of entries the pump goes on: half, so that it works in few large steps.
const PUMP_BYTES: usize = FEED_BYTES / 2;

/// Typing and presence that may wait for one link; more are dropped, they are worthless when late.
const SIGNALS: usize = 4_096;

/// A response is closed at so many bytes: far below gRPC's limit of 4 MiB for a message, and few enough to be encoded at once.
const RESPONSE_BYTES: usize = 256 << 10;

/// The first version of the link's messages that has commits in lists.
const LISTS: u32 = 2;

/// What a commit weighs in a list, bytes: an id, a seq and a time.
const COMMIT_BYTES: usize = 20;

/// What an entry weighs beside its content, bytes.
const ENTRY_OVERHEAD: usize = 64;

/// Leave for one call to be under way: on its link, and for its shard on this link.
pub(crate) struct Permit {
    /// Bounds the link.
    pub(crate) _link: OwnedSemaphorePermit,
    /// Bounds one shard.
    pub(crate) _shard: Option<OwnedSemaphorePermit>,
    /// Bounds the bytes of pages, of the shard and of the link.
    pub(crate) _page: Option<[OwnedSemaphorePermit; 2]>,
}

/// The link's queue of entries is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    ready: Notify,
    space: Notify,
    gone: Notify,
}

#[derive(Default)]
struct State {
    welcome: Option<LinkWelcome>,
    /// The router reads commits in lists.
    lists: bool,
    committed: Committed,
    /// Of the calls in `committed`.
    permits: Vec<Permit>,
    replies: VecDeque<(NodeReply, Option<Permit>)>,
    feeds: VecDeque<(RoomId, Item)>,
    feed_bytes: usize,
    directory: Option<Directory>,
    signals: VecDeque<Signal>,
    closed: bool,
}

enum Item {
    Subscribed(u64),
    Entries(Vec<Entry>),
    Ended(Status),
}

impl Outbox {
    /// The first message, for a router that speaks this version of the link's messages.
    pub(crate) fn welcome(&self, welcome: LinkWelcome, protocol: u32) {
        self.change(|state| {
            state.welcome = Some(welcome);
            state.lists = protocol >= LISTS;
        });
    }

    /// A proposal was committed; see [`Outbox::reply`].
    pub(crate) fn proposed(&self, id: u64, proposed: Proposed, permit: Permit) {
        self.change(|state| {
            let Proposed { seq, time_us, repeated } = proposed;
            if repeated || !state.lists {
                let outcome = Some(Outcome::Proposed(proposed));
                state.replies.push_back((NodeReply { id, outcome }, Some(permit)));
                return;
            }
            state.committed.calls.push(id);
            state.committed.seqs.push(seq);
            state.committed.times_us.push(time_us);
            state.permits.push(permit);
        });
    }

    /// An answer. Its permit bounds how many calls are under way, and is given back when the answer is on its way.
    pub(crate) fn reply(&self, reply: NodeReply, permit: Option<Permit>) {
        self.change(|state| state.replies.push_back((reply, permit)));
    }

    /// A room's next entries, unless the queue is full.
    pub(crate) fn entries(&self, room: RoomId, entries: Vec<Entry>) -> Result<(), Full> {
        let bytes = weight(&entries);
        let mut state = self.state.lock();
        if state.feed_bytes >= FEED_BYTES {
            return Err(Full);
        }
        state.feed_bytes += bytes;
        state.feeds.push_back((room, Item::Entries(entries)));
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// A subscription stands. Bounded by the number of subscriptions that a link may have.
    pub(crate) fn subscribed(&self, room: RoomId, after_seq: u64) {
        self.change(|state| state.feeds.push_back((room, Item::Subscribed(after_seq))));
    }

    /// A subscription ended. Bounded by the number of subscriptions that a link may have.
    pub(crate) fn ended(&self, room: RoomId, why: Status) {
        self.change(|state| state.feeds.push_back((room, Item::Ended(why))));
    }

    /// News for the router's directory; merged with those that still wait.
    pub(crate) fn directory(&self, news: Directory) {
        self.change(|state| match &mut state.directory {
            Some(waiting) => merge(waiting, news),
            None => state.directory = Some(news),
        });
    }

    /// Typing, presence or a read mark; dropped when too much waits.
    pub(crate) fn signal(&self, signal: Signal) {
        self.change(|state| {
            if state.signals.len() < SIGNALS {
                state.signals.push_back(signal);
            }
        });
    }

    /// Nothing more will be taken; the writer ends after what waits.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
        self.space.notify_waiters();
        self.gone.notify_waiters();
    }

    /// The writer is gone: what waits is dropped, and the permits of its calls with it.
    pub(crate) fn abandon(&self) {
        self.close();
        let waiting = State { closed: true, ..State::default() };
        drop(std::mem::replace(&mut *self.state.lock(), waiting));
    }

    /// Returns when the link is closed.
    pub(crate) async fn closed(&self) {
        loop {
            let gone = self.gone.notified();
            if self.state.lock().closed {
                return;
            }
            gone.await;
        }
    }

    /// Waits until there is room for a page of entries. Returns false if the link is closed.
    pub(crate) async fn space(&self) -> bool {
        loop {
            let notified = self.space.notified();
            {
                let state = self.state.lock();
                if state.closed {
                    return false;
                }
                if state.feed_bytes < PUMP_BYTES {
                    return true;
                }
            }
            notified.await;
        }
    }

    /// The next batch; `None` when the link is closed and all is sent. For one writer.
    pub(crate) async fn next(&self) -> Option<LinkResponse> {
        loop {
            {
                let mut state = self.state.lock();
                if let Some(response) = state.take() {
                    drop(state);
                    self.space.notify_one();
                    return Some(response);
                }
                if state.closed {
                    return None;
                }
            }
            self.ready.notified().await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        if !state.closed {
            change(&mut state);
        }
        drop(state);
        self.ready.notify_one();
    }
}

impl State {
    fn take(&mut self) -> Option<LinkResponse> {
        if let Some(welcome) = self.welcome.take() {
            return Some(LinkResponse { welcome: Some(welcome), ..LinkResponse::default() });
        }
        let mut response = LinkResponse { directory: self.directory.take(), ..LinkResponse::default() };
        response.signals.extend(self.signals.drain(..));
        let mut bytes = self.permits.len() * COMMIT_BYTES;
        if !self.permits.is_empty() {
            self.permits.clear();
            response.committed = Some(std::mem::take(&mut self.committed));
        }
        while bytes < RESPONSE_BYTES
            && let Some((reply, _permit)) = self.replies.pop_front()
        {
            bytes += reply.encoded_len();
            response.replies.push(reply);
        }
        self.take_feeds(&mut response, bytes);
        let empty = response.directory.is_none()
            && response.committed.is_none()
            && response.replies.is_empty()
            && response.feeds.is_empty()
            && response.signals.is_empty();
        (!empty).then_some(response)
    }

    /// One feed per room for as long as order allows it: nothing may follow an `ended` in the same feed.
    fn take_feeds(&mut self, response: &mut LinkResponse, mut bytes: usize) {
        let mut open: HashMap<RoomId, usize> = HashMap::new();
        while bytes < RESPONSE_BYTES
            && let Some((room, item)) = self.feeds.pop_front()
        {
            let fresh = matches!(item, Item::Subscribed(_));
            let at = match open.entry(room) {
                Slot::Occupied(slot) if !fresh => *slot.get(),
                slot => {
                    response
                        .feeds
                        .push(RoomFeed { room: Bytes::copy_from_slice(room.as_bytes()), ..RoomFeed::default() });
                    *slot.insert_entry(response.feeds.len() - 1).get()
                }
            };
            let feed = &mut response.feeds[at];
            match item {
                Item::Subscribed(after_seq) => feed.subscribed = Some(SubscribedAt { after_seq }),
                Item::Entries(entries) => {
                    let weight = weight(&entries);
                    self.feed_bytes -= weight;
                    bytes += weight;
                    feed.entries.extend(entries);
                }
                Item::Ended(why) => {
                    feed.ended = Some(why);
                    open.remove(&room);
                }
            }
        }
    }
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.content.len() + ENTRY_OVERHEAD).sum()
}

fn merge(waiting: &mut Directory, news: Directory) {
    waiting.revision = waiting.revision.max(news.revision);
    waiting.fresh |= news.fresh;
    if news.placement.is_some() {
        waiting.placement = news.placement;
    }
    if !news.leaders.is_empty() {
        waiting.leaders = news.leaders;
    }
    if !news.routers.is_empty() {
        waiting.routers = news.routers;
    }
    waiting.revoked.extend(news.revoked);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: u8) -> RoomId {
        RoomId::from_bytes([n; 16])
    }

    fn entry(seq: u64, bytes: usize) -> Entry {
        Entry { seq, content: vec![b'x'; bytes].into(), ..Entry::default() }
    }

    #[tokio::test]
    async fn batches_what_waits_and_keeps_order_within_a_room() {
        let outbox = Outbox::default();
        outbox.subscribed(room(1), 4);
        outbox.entries(room(1), vec![entry(5, 1)]).unwrap();
        outbox.entries(room(2), vec![entry(9, 1)]).unwrap();
        outbox.entries(room(1), vec![entry(6, 1)]).unwrap();
        outbox.ended(room(1), Status::default());
        outbox.subscribed(room(1), 6);
        outbox.entries(room(1), vec![entry(7, 1)]).unwrap();
        let response = outbox.next().await.unwrap();
        let seqs = |at: usize| response.feeds[at].entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
        assert_eq!(response.feeds.len(), 3);
        assert_eq!((seqs(0), seqs(1), seqs(2)), (vec![5, 6], vec![9], vec![7]));
        assert!(response.feeds[0].ended.is_some() && response.feeds[2].ended.is_none());
        assert_eq!(response.feeds[2].subscribed.as_ref().unwrap().after_seq, 6);
    }

    #[tokio::test]
    async fn is_bounded_and_says_when_there_is_room_again() {
        let outbox = Outbox::default();
        let mut taken = 0;
        while outbox.entries(room(1), vec![entry(taken + 1, 16 << 10)]).is_ok() {
            taken += 1;
        }
        assert!(taken as usize * (16 << 10) <= FEED_BYTES + (16 << 10));
        let mut sent = 0;
        while sent < taken {
            let response = outbox.next().await.unwrap();
            assert!(response.encoded_len() < RESPONSE_BYTES + (32 << 10));
            sent += response.feeds[0].entries.len() as u64;
        }
        assert!(outbox.space().await);
        outbox.close();
        assert!(!outbox.space().await);
        assert!(outbox.next().await.is_none());
    }

    #[tokio::test]
    async fn commits_go_in_lists_to_those_who_read_them() {
        let proposed = |repeated| Proposed { seq: 3, time_us: 4, repeated };
        let link = std::sync::Arc::new(tokio::sync::Semaphore::new(3));
        for (protocol, in_lists) in [(LISTS, 2), (LISTS - 1, 0)] {
            let outbox = Outbox::default();
            outbox.welcome(LinkWelcome::default(), protocol);
            for (id, repeated) in [(7, false), (8, true), (9, false)] {
                let permit = Permit { _link: link.clone().try_acquire_owned().unwrap(), _shard: None, _page: None };
                outbox.proposed(id, proposed(repeated), permit);
            }
            assert!(outbox.next().await.unwrap().welcome.is_some());
            assert_eq!(link.available_permits(), 0);
            let response = outbox.next().await.unwrap();
            assert_eq!(link.available_permits(), 3, "they are on their way");
            let Committed { calls, seqs, times_us } = response.committed.unwrap_or_default();
            assert_eq!((calls.len(), seqs.len(), times_us.len()), (in_lists, in_lists, in_lists));
            assert!(in_lists == 0 || (calls, seqs, times_us) == (vec![7, 9], vec![3, 3], vec![4, 4]));
            assert_eq!(response.replies.len(), 3 - in_lists);
        }
    }

    #[tokio::test]
    async fn news_for_the_directory_are_merged() {
        let outbox = Outbox::default();
        let revoked =
            |token: &str| hansard_proto::cluster::v1::Revocation { token_id: token.into(), ..Default::default() };
        outbox.directory(Directory { revision: 3, revoked: vec![revoked("a")], ..Directory::default() });
        outbox.directory(Directory { revision: 2, fresh: true, revoked: vec![revoked("b")], ..Directory::default() });
        let news = outbox.next().await.unwrap().directory.unwrap();
        assert_eq!((news.revision, news.fresh, news.revoked.len()), (3, true, 2));
    }
}
