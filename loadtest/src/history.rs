//! `load history`: rooms full of messages, and pages of them, forwards and backwards from anywhere.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use hansard_client::{Client, v1::ListHistoryResponse};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    args::HistoryArgs,
    book::{Found, Texts},
    fill::{self, Room},
    latency::Latencies,
    meter::Costs,
    payload::Writer,
    readback::{check, read_room},
    report::Report,
    target::{Target, with_target},
};

/// A page ends early when its contents have so many bytes; see the limits in docs/protocol.md.
const PAGE_BYTES: usize = 1 << 20;

/// What all readers share.
struct Load {
    rooms: Vec<Arc<Room>>,
    page: u64,
    measure_from: Instant,
    until: Instant,
    tally: Mutex<Tally>,
}

struct Tally {
    pages: u64,
    messages: u64,
    /// Pages that had a hole, or less than was asked for, or another text than was sent.
    wrong: u64,
    first_wrong: Option<String>,
    forwards: Latencies,
    backwards: Latencies,
}

impl Load {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: HistoryArgs) -> Result<bool> {
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &HistoryArgs, target: &Target) -> Result<Report> {
    let clients = target.connect_many(args.readers).await.context("while the readers connected")?;
    let texts = Texts { seed: args.common.seed, room: 0, bytes: args.bytes as usize };
    let rooms = fill::rooms(&clients, args.rooms, texts).await?;
    let filling = Instant::now();
    fill::fill(&rooms, args.messages.into()).await.context("while the rooms were filled")?;
    let filling = filling.elapsed();

    let measure_from = Instant::now() + Duration::from_secs(args.common.warmup);
    let until = measure_from + Duration::from_secs(args.common.seconds);
    let (forwards, backwards) = (Latencies::new(), Latencies::new());
    let tally = Tally { pages: 0, messages: 0, wrong: 0, first_wrong: None, forwards, backwards };
    let load = Arc::new(Load { rooms, page: args.page.into(), measure_from, until, tally: Mutex::new(tally) });
    let mut readers = JoinSet::new();
    for (client, number) in clients.into_iter().zip(0..) {
        let dice = Writer::new(args.common.seed, u64::MAX - number);
        readers.spawn(read(client, dice, load.clone()));
    }
    sleep_until(measure_from).await;
    let before = target.meter.sample().await;
    while let Some(reader) = readers.join_next().await {
        reader?.context("while a page was read")?;
    }
    let costs = target.meter.sample().await.since(&before);

    let mut report = Report::new("history", &args.common);
    report.add("rooms", args.rooms);
    report.add("messages_per_room", args.messages);
    report.add("bytes", args.bytes);
    report.add("readers", args.readers);
    report.add("page", args.page);
    report.add_rounded("fill_rate", fill::acked(&load.rooms) as f64 / filling.as_secs_f64());
    load.tally().report(&mut report, costs);
    let found = read_whole(&load.rooms).await?;
    report.add("lost", found.lost);
    report.add("duplicated", found.doubled);
    report.add("misplaced", found.wrong);
    if found.broken() {
        report.fail(format!("messages are not where they were acked to be: {found:?}"));
    }
    report.check(&args.common, "messages_per_second", "forwards_p99_ms", "server_cpu_us_per_message");
    Ok(report)
}

impl Tally {
    fn report(&self, report: &mut Report, costs: Costs) {
        let seconds = costs.elapsed.as_secs_f64();
        report.add("pages", self.pages);
        report.add("messages", self.messages);
        report.add_rounded("pages_per_second", self.pages as f64 / seconds);
        report.add_rounded("messages_per_second", self.messages as f64 / seconds);
        report.add_latencies("forwards", self.forwards.percentiles());
        report.add_latencies("backwards", self.backwards.percentiles());
        let servers = costs.servers.map(|servers| servers.cpu_us as f64 / self.messages as f64);
        report.add_rounded("server_cpu_us_per_message", servers);
        report.add_costs("page", self.pages, costs);
        report.add("wrong_pages", self.wrong);
        report.add("first_wrong_page", &self.first_wrong);
        if self.wrong > 0 {
            report.fail(format!("{} pages are not what was sent: {:?}", self.wrong, self.first_wrong));
        }
        if self.pages == 0 {
            report.fail("no page was read");
        }
    }
}

/// Reads every room from end to end.
pub(crate) async fn read_whole(rooms: &[Arc<Room>]) -> Result<Found> {
    const AT_ONCE: usize = 8;
    let mut found = Found::default();
    for some in rooms.chunks(AT_ONCE) {
        let mut some = some.iter();
        let reading = crate::connect::all(some.len(), || {
            let room = some.next().cloned();
            async move {
                let room = room.context("one for each")?;
                let mut reading = room.book.reading();
                read_room(&room.client, &room.id, |event| reading.see(event)).await?;
                Ok(reading.found())
            }
        });
        reading.await?.into_iter().for_each(|one| found.add(one));
    }
    Ok(found)
}

/// One reader: a page from anywhere in any room, forwards or backwards, one after the other.
async fn read(client: Client, mut dice: Writer, load: Arc<Load>) -> Result<()> {
    loop {
        let begun = Instant::now();
        if begun >= load.until {
            return Ok(());
        }
        let room = &load.rooms[dice.below(load.rooms.len() as u64) as usize];
        // The room's creation, and its messages.
        let head = room.book.count() + 1;
        let backwards = dice.below(2) == 1;
        let cursor = dice.below(head);
        let (after, before) = if backwards { (0, cursor + 2) } else { (cursor, 0) };
        let page = client.history(&room.id, after, before, i32::try_from(load.page)?).await?;
        if begun < load.measure_from {
            continue;
        }
        let took = begun.elapsed();
        let checked = check_page(&page, (after, before), head, load.page).and_then(|()| check_texts(&page, room));
        let mut tally = load.tally();
        tally.pages += 1;
        tally.messages += page.events.len() as u64;
        if backwards { &mut tally.backwards } else { &mut tally.forwards }.record(took);
        if let Err(error) = checked {
            tally.wrong += 1;
            tally.first_wrong.get_or_insert_with(|| format!("after {after} before {before}: {error}"));
        }
    }
}

/// Whether a page has all that was asked for, without a hole, unless its bytes are many.
fn check_page(page: &ListHistoryResponse, (after, before): (u64, u64), head: u64, limit: u64) -> Result<()> {
    let (from, to) = match before {
        0 => (after + 1, head.min(after + limit)),
        before => ((before - 1).saturating_sub(limit) + 1, before - 1),
    };
    let full = page.events.iter().map(|event| event.text.len()).sum::<usize>() + PAGE_BYTES / 16 >= PAGE_BYTES;
    let (from, to) = match before {
        0 if full => (from, page.to_seq),
        _ if full => (page.from_seq, to),
        _ => (from, to),
    };
    anyhow::ensure!(
        (page.from_seq, page.to_seq, page.head_seq) == (from, to, head),
        "it is {} to {} of {}, not {from} to {to} of {head}",
        page.from_seq,
        page.to_seq,
        page.head_seq
    );
    check(page, from - 1)
}

fn check_texts(page: &ListHistoryResponse, room: &Room) -> Result<()> {
    let mut messages = page.events.iter().filter(|event| event.kind == "message");
    match messages.find(|event| room.book.find(event).is_none()) {
        Some(event) => anyhow::bail!("seq {} is not what was sent", event.seq),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hansard_client::v1::Event;

    use super::*;

    fn page(from: u64, to: u64, head: u64) -> ListHistoryResponse {
        let events = (from..=to).map(|seq| Event { seq, ..Event::default() }).collect();
        ListHistoryResponse { events, gaps: Vec::new(), from_seq: from, to_seq: to, head_seq: head, staleness: None }
    }

    #[test]
    fn a_page_has_all_that_was_asked_for() {
        let good = |from, to, cursor| check_page(&page(from, to, 50), cursor, 50, 10).is_ok();
        assert!(good(1, 10, (0, 0)) && good(48, 50, (47, 0)), "forwards");
        assert!(good(40, 49, (0, 50)) && good(1, 3, (0, 4)) && good(41, 50, (0, 51)), "backwards");
        assert!(!good(1, 9, (0, 0)) && !good(2, 11, (0, 0)) && !good(41, 49, (0, 50)) && !good(39, 48, (0, 50)));
        assert!(check_page(&page(1, 10, 49), (0, 0), 50, 10).is_err(), "another head");
        let mut hole = page(1, 10, 50);
        hole.events.remove(4);
        assert!(check_page(&hole, (0, 0), 50, 10).is_err());
    }
}
