//! One per link: feeds the subscriptions that lag from storage, a page each in turn.

use std::{sync::Arc, time::Duration};

use super::{Fanout, LinkFeed, RoomSource, shard::Progress};

/// How long to wait before a read that failed is tried again: the shard is stopping or its leader is changing.
const RETRY: Duration = Duration::from_millis(50);

/// Runs until the link closes.
pub(crate) async fn pump(fanout: Arc<Fanout>, link: Arc<LinkFeed>, source: Arc<dyn RoomSource>) {
    while link.outbox.space().await {
        let Some(lag) = link.next_lag() else {
            link.wake.notified().await;
            continue;
        };
        let feed = fanout.feed(lag.shard);
        let Some(turn) = feed.turn(&lag) else { continue };
        match source.page(lag.shard, lag.room, turn.after).await {
            Ok(page) => {
                if feed.page(&lag, &turn, page) != Progress::Settled {
                    link.lag(lag);
                }
            }
            Err(error) => {
                tracing::debug!(shard = %lag.shard, %error, "a feed's page could not be read; trying again");
                tokio::time::sleep(RETRY).await;
                link.lag(lag);
            }
        }
    }
}
