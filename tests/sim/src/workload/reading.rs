//! Pages of history, forwards and backwards, the newest or one of some age.

use std::time::Duration;

use hansard_client::ClientError;
use rand::Rng;

use super::Person;
use crate::{
    history::{Paged, Seen, now},
    trace::note,
};

impl Person {
    /// Reads a page.
    pub(super) async fn read(&mut self, room: &str) -> Result<(), ClientError> {
        let head = self.history.cursor(self.index, room);
        let (after, before) = match self.rng.random_range(0..3) {
            0 => (self.rng.random_range(0..=head), 0),
            1 => (0, self.rng.random_range(1..=head + 1)),
            // The newest page, which shows at once whether the answer is old.
            _ => (0, u64::MAX >> 1),
        };
        let (begun, size) = (now(), self.rng.random_range(1..20));
        let max_age = self.rng.random_bool(0.3).then(|| Duration::from_millis(self.rng.random_range(1..5_000)));
        let page = match max_age {
            None => self.client.history(room, after, before, size).await,
            Some(max_age) => self.client.history_within(max_age, room, after, before, size).await,
        };
        let page = match page {
            Ok(page) => page,
            // Reads change nothing: what was not answered is of no interest, and who never was in a room reads nothing.
            Err(ClientError::Unknown { .. } | ClientError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        // It must show all that was acked so long before it was asked for, and may say no more than was allowed.
        let age = page.staleness.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
        let begun = begun.saturating_sub(age.min(max_age.unwrap_or_default()));
        let gaps = page.gaps.iter().map(|gap| Seen::Gap(gap.from_seq, gap.to_seq));
        let mut items: Vec<Seen> = page.events.into_iter().map(|event| Seen::Event(event.into())).chain(gaps).collect();
        items.sort_by_key(Seen::span);
        let span = (page.from_seq > 0).then_some((page.from_seq, page.to_seq));
        note(&format!("reads {room} after {after} before {before}: {span:?} of {}, {age:?} old", page.head_seq));
        let paged = Paged { client: self.index, room: room.to_owned(), begun, span, head: page.head_seq, items };
        self.history.with(|inner| inner.pages.push(paged));
        Ok(())
    }
}
