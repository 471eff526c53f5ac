//! Where apply hands over what it has done.

use hansard_domain::{RoomEvent, ShardId};
use hansard_proto::cluster::v1::Entry;

use super::Fanout;
use crate::raft::{Applied, ApplySink};

impl ApplySink for Fanout {
    fn applied(&self, shard: ShardId, applied: &Applied) {
        let feed = self.feed(shard);
        if feed.is_idle() {
            return;
        }
        let events: Vec<RoomEvent> = applied.events().collect();
        for run in events.chunk_by(|one, next| one.room == next.room) {
            let room = run[0].room;
            if feed.feeds(&room) {
                let entries: Vec<Entry> = run.iter().map(|event| Entry::from(&event.entry)).collect();
                feed.applied(room, &entries);
            }
        }
    }

    fn replaced(&self, shard: ShardId) {
        self.feed(shard).set_serving(false, None);
    }
}
