//! Pages over several shards: shard by shard, each ascending by id. A page token is the shard's ordinal and the last id.

use std::future::Future;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hansard_domain::RoomId;

use crate::reason;
use crate::refuse::{Fault, field};

/// Shards that are asked at once.
const AT_ONCE: usize = 16;

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(super) shard: usize,
    pub(super) after: Option<RoomId>,
}

impl Place {
    /// Reads a page token; the empty one is the beginning.
    pub(crate) fn read(token: &str) -> Result<Self, Fault> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let parsed = || {
            let (shard, after) = token.split_once('.')?;
            let after = if after.is_empty() { None } else { Some(after.parse().ok()?) };
            Some(Self { shard: shard.parse().ok()?, after })
        };
        parsed().ok_or_else(|| field(reason::BAD_PAGE, "page_token", "`page_token` is none that a page before gave"))
    }

    /// The page token.
    pub(crate) fn write(self) -> String {
        format!("{}.{}", self.shard, self.after.map(|after| after.to_string()).unwrap_or_default())
    }

    /// The id for the wire.
    pub(super) fn after_bytes(self) -> Bytes {
        self.after.map_or_else(Bytes::new, hansard_proto::convert::bytes)
    }
}

/// Collects a page of at most `size` items. `ask` reads one shard from a place on; `id` names an item. Returns the items
/// and the next page's token.
pub(super) async fn collect<T, F>(
    start: Place,
    shards: usize,
    size: usize,
    ask: impl Fn(Place) -> F,
    id: impl Fn(&T) -> RoomId,
) -> Result<(Vec<T>, String), Fault>
where
    F: Future<Output = Result<(Vec<T>, bool), Fault>>,
{
    let places =
        (start.shard..shards).map(|shard| Place { shard, after: start.after.filter(|_| shard == start.shard) });
    let mut answers = stream::iter(places.map(|place| {
        let answer = ask(place);
        async move { (place, answer.await) }
    }))
    .buffered(AT_ONCE);
    let mut page: Vec<T> = Vec::new();
    while let Some((place, answer)) = answers.next().await {
        let (items, more) = answer?;
        let left = size - page.len();
        let cut = more || items.len() > left;
        page.extend(items.into_iter().take(left));
        if cut {
            let after = page.last().map(&id).filter(|_| left > 0).or(place.after);
            return Ok((page, Place { shard: place.shard, after }.write()));
        }
    }
    Ok((page, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: u8) -> RoomId {
        RoomId::from_bytes([number; 16])
    }

    #[tokio::test]
    async fn every_room_is_on_one_page() {
        let shards: [&[u8]; 4] = [&[1, 3, 5], &[], &[2, 4], &[9]];
        for size in 1..=8 {
            let (mut all, mut token) = (Vec::new(), String::new());
            loop {
                let ask = |place: Place| async move {
                    let rest = shards[place.shard].iter().map(|number| room(*number));
                    let rest: Vec<_> = rest.filter(|room| place.after.is_none_or(|after| *room > after)).collect();
                    Ok((rest.iter().take(size).copied().collect(), rest.len() > size))
                };
                let start = Place::read(&token).unwrap();
                let (page, next) = collect(start, shards.len(), size, ask, |room| *room).await.unwrap();
                assert!(page.len() <= size);
                all.extend(page);
                token = next;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(all, [1, 3, 5, 2, 4, 9].map(room), "pages of {size}");
        }
    }

    #[test]
    fn tokens_are_read_or_refused() {
        let place = Place { shard: 7, after: Some(room(1)) };
        assert_eq!(Place::read(&place.write()).unwrap(), place);
        for bad in ["x", "1", "1.zz", "-1.", "."] {
            assert!(Place::read(bad).is_err(), "{bad}");
        }
    }
}
