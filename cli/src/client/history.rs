//! `hansard history`.

use hansard_client::{
    Client,
    v1::{Event, Gap, ListHistoryResponse},
};

use super::{args::HistoryArgs, names::Names, tail::Printer};

/// The most that a page may hold.
const PAGE: u32 = 1_000;

/// Prints a part of a room's history, oldest first.
pub(crate) async fn run(args: &HistoryArgs) -> anyhow::Result<()> {
    let client = args.options.connect().await?;
    let (events, gaps) = match args.before {
        Some(before) => backwards(&client, args, before).await?,
        None => forwards(&client, args, args.after.unwrap_or(0)).await?,
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
    gaps.try_for_each(|gap| printer.gap(gap))
}

fn page_size(args: &HistoryArgs, have: usize) -> i32 {
    let left = args.limit as usize - have;
    left.min(PAGE as usize) as i32
}

async fn forwards(client: &Client, args: &HistoryArgs, from: u64) -> anyhow::Result<(Vec<Event>, Vec<Gap>)> {
    let (mut events, mut gaps, mut after) = (Vec::new(), Vec::new(), from);
    while events.len() < args.limit as usize {
        let size = page_size(args, events.len());
        let page = client.history(&args.room, after, 0, size).await?;
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

async fn backwards(client: &Client, args: &HistoryArgs, from: u64) -> anyhow::Result<(Vec<Event>, Vec<Gap>)> {
    let (mut events, mut gaps, mut before) = (Vec::new(), Vec::new(), from);
    while events.len() < args.limit as usize && before > 1 {
        let size = page_size(args, events.len());
        let page = client.history(&args.room, 0, before, size).await?;
        if page.from_seq == 0 || page.from_seq >= before {
            break;
        }
        before = page.from_seq;
        events.splice(0..0, page.events);
        gaps.splice(0..0, page.gaps);
    }
    Ok((events, gaps))
}
