//! Snapshots that nobody goes on to send: what has come of them is dropped after a while, so that its disk space comes back.

use std::collections::HashMap;
use std::time::Duration;

use hansard_domain::ShardId;
use hansard_storage::{Partial, Store};
use tokio::time::{Instant, sleep};

use super::blocking::blocking;

/// How many times within the time that they are kept it is looked whether they have grown.
const LOOKS: u32 = 5;

/// Runs until it is aborted, or storage fails.
pub async fn drop_abandoned(store: Store, keep: Duration) {
    let mut seen: HashMap<ShardId, (Partial, Instant)> = HashMap::new();
    loop {
        sleep(keep / LOOKS).await;
        let now = Instant::now();
        let here = store.partials();
        seen.retain(|shard, (partial, _)| here.get(shard) == Some(partial));
        for (shard, partial) in here {
            let (_, since) = *seen.entry(shard).or_insert((partial, now));
            if now - since < keep {
                continue;
            }
            tracing::info!(%shard, last = partial.last.1, chunks = partial.taken.chunks, "dropping an abandoned snapshot");
            match blocking(|| store.abandon(shard, partial)) {
                Ok(()) => drop(seen.remove(&shard)),
                // A failure has called the fatal hook.
                Err(error) => return tracing::error!(%shard, %error, "an abandoned snapshot cannot be dropped"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hansard_domain::{Change, Key, Table};
    use hansard_storage::AppliedMark;

    use super::*;
    use crate::raft::test_store::{Kind, TestStore};

    const KEEP: Duration = Duration::from_secs(50);

    #[tokio::test(start_paused = true)]
    async fn what_grows_stays_and_what_does_not_goes_in_time() {
        let place = TestStore::new(Kind::Simulated);
        let store = place.open();
        let (from, to) = (ShardId::from_bytes([1; 16]), ShardId::from_bytes([2; 16]));
        let source = store.shard(from).expect("a shard");
        let row =
            |n: u8| Change { table: Table::Event, key: Key::new(&[n]), value: Some(Bytes::from(vec![n; 400_000])) };
        let mark = AppliedMark { term: 1, index: 1, membership: Bytes::new() };
        source.rows().commit((0..6).map(row).collect(), mark).expect("rows");
        let (target, mut reader) = (store.shard(to).expect("a shard"), source.snapshot().expect("a snapshot"));
        let dropping = tokio::spawn(drop_abandoned(store.clone(), KEEP));
        let mut writer = target.install().expect("a writer");
        while let Some(chunk) = reader.next_chunk().expect("a chunk") {
            writer.write(&chunk).expect("it is taken");
            drop(writer);
            sleep(KEEP - Duration::from_secs(11)).await;
            writer = target.resume(target.partial().expect("it is kept while it grows")).expect("it goes on");
        }
        // While somebody takes it in, it is not touched, however long that takes.
        sleep(KEEP * 3).await;
        assert!(target.partial().is_some());
        drop(writer);
        sleep(KEEP * 2).await;
        assert_eq!(target.partial(), None);
        assert!(!dropping.is_finished());
        dropping.abort();
    }
}
