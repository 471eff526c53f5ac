//! Reading rooms back, page by page.

use anyhow::{Result, bail};
use hansard_client::{
    Client,
    v1::{Event, ListHistoryResponse},
};

/// Hands every event of a room to `see`, in order. Fails when pages leave a hole.
pub(crate) async fn read_room(client: &Client, room: &str, mut see: impl FnMut(&Event)) -> Result<()> {
    let mut after = 0;
    loop {
        let page = client.history(room, after, 0, 1_000).await?;
        if page.from_seq == 0 {
            return Ok(());
        }
        check(&page, after)?;
        page.events.iter().for_each(&mut see);
        after = page.to_seq;
        if after >= page.head_seq {
            return Ok(());
        }
    }
}

/// Whether a page covers every seq from the one after `after` on, once.
pub(crate) fn check(page: &ListHistoryResponse, after: u64) -> Result<()> {
    let mut next = after + 1;
    let mut gaps = page.gaps.iter().peekable();
    for event in &page.events {
        while let Some(gap) = gaps.next_if(|gap| gap.from_seq == next && gap.to_seq >= next) {
            next = gap.to_seq + 1;
        }
        if event.seq != next {
            bail!("history has a hole or a double: seq {} where {next} should be", event.seq);
        }
        next += 1;
    }
    while let Some(gap) = gaps.next_if(|gap| gap.from_seq == next && gap.to_seq >= next) {
        next = gap.to_seq + 1;
    }
    if page.from_seq != after + 1 || next != page.to_seq + 1 || gaps.next().is_some() {
        bail!("a page says {} to {} and holds up to {}", page.from_seq, page.to_seq, next - 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hansard_client::v1::Gap;

    use super::*;

    fn page(events: &[u64], gaps: &[(u64, u64)], from_seq: u64, to_seq: u64) -> ListHistoryResponse {
        ListHistoryResponse {
            events: events.iter().map(|seq| Event { seq: *seq, ..Event::default() }).collect(),
            gaps: gaps
                .iter()
                .map(|(from_seq, to_seq)| Gap { from_seq: *from_seq, to_seq: *to_seq, ..Gap::default() })
                .collect(),
            from_seq,
            to_seq,
            head_seq: to_seq,
            staleness: None,
        }
    }

    #[test]
    fn whole_pages_pass() {
        check(&page(&[1, 2, 3], &[], 1, 3), 0).unwrap();
        check(&page(&[8, 9], &[(4, 7), (10, 11)], 4, 11), 3).unwrap();
    }

    #[test]
    fn holes_and_doubles_do_not() {
        for (page, after) in [
            (page(&[1, 3], &[], 1, 3), 0),
            (page(&[1, 1, 2], &[], 1, 2), 0),
            (page(&[2, 3], &[], 2, 3), 0),
            (page(&[1, 2], &[], 1, 3), 0),
            (page(&[1], &[(3, 4)], 1, 4), 0),
            (page(&[1, 2, 3], &[(2, 2)], 1, 3), 0),
        ] {
            assert!(check(&page, after).is_err(), "{page:?}");
        }
    }
}
