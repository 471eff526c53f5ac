//! Following a room, over many sessions.

use std::time::Duration;

use hansard_client::{Item, Start};
use rand::{Rng, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};

use super::connect;
use crate::{
    history::{History, Seen, now},
    trace::note,
};

/// Follows a room over many sessions, each from the last one's cursor, until the room's end is known and reached, or is not
/// for this person to see.
pub(super) async fn follow(index: usize, room: String, mut rng: StdRng, history: History) -> turmoil::Result {
    loop {
        let client = connect(index, &mut rng).await?;
        let until = Instant::now() + Duration::from_millis(rng.random_range(2_000..20_000));
        let mut follow = client.follow(&room, Start::After(history.cursor(index, &room)))?;
        while Instant::now() < until {
            let head = history.with(|inner| inner.heads.as_ref().and_then(|heads| heads.get(&room).copied()));
            if head.is_some_and(|head| history.cursor(index, &room) >= head) {
                note(&format!("has seen all of {room}"));
                return Ok(());
            }
            let Ok(item) = timeout(Duration::from_millis(250), follow.next()).await else { continue };
            let seen = match item {
                Some(Item::Event(event)) => Seen::Event(event.into()),
                Some(Item::Gap(gap)) => Seen::Gap(gap.from_seq, gap.to_seq),
                Some(Item::Hole { from_seq, to_seq, .. }) => Seen::Hole(from_seq, to_seq),
                Some(Item::Ended(error)) => {
                    note(&format!("follows {room} no more: {error}"));
                    if head.is_some() && error.reason().is_some_and(|reason| OUTSIDE.contains(&reason)) {
                        return Ok(());
                    }
                    sleep(Duration::from_millis(500)).await;
                    break;
                }
                Some(_) => continue,
                None => break,
            };
            note(&format!("sees {room} {seen:?}"));
            history.with(|inner| inner.seen.entry((index, room.clone())).or_default().push((now(), seen)));
        }
    }
}

/// What those are told who are not in the room.
const OUTSIDE: [&str; 4] = ["MEMBERSHIP_ENDED", "NOT_MEMBER", "REMOVED", "ROOM_UNKNOWN"];
