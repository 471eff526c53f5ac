//! Rooms, and messages in them, before a test begins.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use hansard_client::{Client, v1::Visibility};
use tokio::task::JoinSet;

use crate::book::{Book, Texts};

/// Calls under way in all while rooms are made and filled: enough to fill entries, little enough for the servers' queues.
const UNDER_WAY: usize = 1_024;

/// A room, who reads and writes it, and what was sent to it.
pub(crate) struct Room {
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) book: Book,
}

/// Makes rooms, shared out among the clients.
pub(crate) async fn rooms(clients: &[Client], count: u32, texts: Texts) -> Result<Vec<Arc<Room>>> {
    let next = Arc::new(AtomicU32::new(0));
    let mut makers = JoinSet::new();
    for maker in 0..UNDER_WAY.min(count as usize) {
        let (client, next) = (clients[maker % clients.len()].clone(), next.clone());
        makers.spawn(async move {
            let mut made = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(made);
                }
                let room = client.create_room(&format!("filled {number}"), "", Visibility::Private).await;
                let id = room.with_context(|| format!("room {number} of {count} was not made"))?.id;
                let book = Book::new(Texts { room: texts.room + number, ..texts });
                made.push(Arc::new(Room { client: client.clone(), id, book }));
            }
        });
    }
    let mut made = Vec::with_capacity(count as usize);
    while let Some(some) = makers.join_next().await {
        made.extend(some??);
    }
    made.sort_unstable_by_key(|room| room.book.texts.room);
    Ok(made)
}

/// Sends so many messages to each room.
pub(crate) async fn fill(rooms: &[Arc<Room>], each: u64) -> Result<()> {
    let (rooms, next): (Arc<[Arc<Room>]>, _) = (rooms.into(), Arc::new(AtomicU64::new(0)));
    let (count, all) = (rooms.len() as u64, rooms.len() as u64 * each);
    let mut senders = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let (rooms, next) = (rooms.clone(), next.clone());
        senders.spawn(async move {
            // In turn, so that all shards have work all the time.
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= all {
                    return Ok::<_, anyhow::Error>(());
                }
                rooms[(turn % count) as usize].send_next().await?;
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    Ok(())
}

impl Room {
    /// Sends the next message.
    pub(crate) async fn send_next(&self) -> Result<()> {
        let counter = self.book.next();
        let receipt = self.client.send(&self.id, self.book.texts.of(counter)).await?;
        self.book.acked(counter, receipt.seq);
        Ok(())
    }
}

/// How many messages are acked in all.
pub(crate) fn acked(rooms: &[Arc<Room>]) -> u64 {
    rooms.iter().map(|room| room.book.count()).sum()
}
