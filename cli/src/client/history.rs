//! `hansard history`.

use std::time::Duration;

use anyhow::Context;
use hansard_client::{
    Client,
    v1::{Event, Gap, ListHistoryResponse},
};

use super::{args::HistoryArgs, names::Names, tail::Printer};

/// The most that a page may hold.
const PAGE: u32 = 1_000;

/// Prints a part of a room's history, oldest first, and how old the view is if it may have an age.
pub(crate) async fn run(args: &HistoryArgs) -> anyhow::Result<()> {
    let client = args.options.connect().await?;
    let mut reader = Reader { client: &client, args, age: Duration::ZERO };
    let (events, gaps) = match args.before {
        Some(before) => reader.backwards(before).await?,
        None => reader.forwards(args.after.unwrap_or(0)).await?,
    };
    let mut printer = Printer { output: args.options.output, names: Names::default() };
    printer.names.learn_events(&client, &events).await;
    let mut gaps = gaps.iter().peekable();
    for event in &events {
        while let Some(gap) = gaps.next_if(|gap| gap.from_seq < event.seq) {
            printer.gap(gap)?;
        }
        printer.event(event)?;
    }
    gaps.try_for_each(|gap| printer.gap(gap))?;
    if args.max_staleness.is_some() {
        // Not among the events, which a program may read.
        eprintln!("(a view of at most {:.3} s ago)", reader.age.as_secs_f64());
    }
    Ok(())
}

/// Reads page by page.
struct Reader<'a> {
    client: &'a Client,
    args: &'a HistoryArgs,
    /// Of the oldest view among the pages.
    age: Duration,
}

impl Reader<'_> {
    /// The next page, when there are so many events already.
    async fn page(&mut self, have: usize, after: u64, before: u64) -> anyhow::Result<ListHistoryResponse> {
        let left = self.args.limit as usize - have;
        let (room, size) = (&self.args.room, left.min(PAGE as usize) as i32);
        let Some(age) = self.args.max_staleness else {
            return Ok(self.client.history(room, after, before, size).await?);
        };
        let page = self.client.history_within(age, room, after, before, size).await?;
        let age = page
            .staleness
            .map(Duration::try_from)
            .transpose()
            .context("the server told a negative age; please report this")?;
        self.age = self.age.max(age.unwrap_or_default());
        Ok(page)
    }

    async fn forwards(&mut self, from: u64) -> anyhow::Result<(Vec<Event>, Vec<Gap>)> {
        let (mut events, mut gaps, mut after) = (Vec::new(), Vec::new(), from);
        while events.len() < self.args.limit as usize {
            let page = self.page(events.len(), after, 0).await?;
            let ListHistoryResponse { events: more, gaps: hidden, to_seq, head_seq, .. } = page;
            events.extend(more);
            gaps.extend(hidden);
            if to_seq <= after || to_seq >= head_seq {
                break;
            }
            after = to_seq;
        }
        Ok((events, gaps))
    }

    async fn backwards(&mut self, from: u64) -> anyhow::Result<(Vec<Event>, Vec<Gap>)> {
        let (mut events, mut gaps, mut before) = (Vec::new(), Vec::new(), from);
        while events.len() < self.args.limit as usize && before > 1 {
            let page = self.page(events.len(), 0, before).await?;
            if page.from_seq == 0 || page.from_seq >= before {
                break;
            }
            before = page.from_seq;
            events.splice(0..0, page.events);
            gaps.splice(0..0, page.gaps);
        }
        Ok((events, gaps))
    }
}
