//! `hansard tail`.

use hansard_client::{
    Client, Item, Start,
    v1::{Event, Gap, GapReason},
};
use serde_json::Value;

use super::{
    args::{TailArgs, TailFrom},
    names::Names,
    render,
};
use crate::connect::Output;

/// How many items are printed with names from one call.
const BATCH: usize = 256;

/// Prints a room's events as they come, until told to stop.
pub(crate) async fn run(args: &TailArgs) -> anyhow::Result<()> {
    let client = args.options.connect().await?;
    let start = match args.from {
        TailFrom::Now => Start::Now,
        TailFrom::Seq(seq) => Start::After(seq.saturating_sub(1)),
    };
    let mut follow = client.follow(&args.room, start)?;
    let mut printer = Printer { output: args.options.output, names: Names::default() };
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut items = Vec::with_capacity(BATCH);
    while left > 0 && follow.next_many(&mut items, BATCH).await > 0 {
        printer.learn(&client, &items).await;
        for item in items.drain(..) {
            if left == 0 {
                break;
            }
            left -= u64::from(matches!(item, Item::Event(_)));
            printer.item(follow.room(), item)?;
        }
    }
    Ok(())
}

/// Prints events and what stands in their place.
pub(crate) struct Printer {
    pub(crate) output: Output,
    pub(crate) names: Names,
}

impl Printer {
    async fn learn(&mut self, client: &Client, items: &[Item]) {
        let people = items.iter().filter_map(|item| match item {
            Item::Event(event) => Some([event.sender.as_str(), event.person.as_str()]),
            _ => None,
        });
        self.names.learn(client, people.flatten()).await;
    }

    fn item(&self, room: &str, item: Item) -> anyhow::Result<()> {
        match item {
            Item::Event(event) => self.event(&event),
            Item::Gap(gap) => self.gap(&gap),
            Item::Hole { from_seq, to_seq, .. } => {
                eprintln!("error: the server left out seqs {from_seq} to {to_seq} of room {room}; please report this");
                Ok(())
            }
            Item::Ended(error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Prints an event.
    pub(crate) fn event(&self, event: &Event) -> anyhow::Result<()> {
        if self.output == Output::Table {
            let (sender, person) = (self.names.show(&event.sender), self.names.show(&event.person));
            return Ok(render::line(&render::event(event, sender, person))?);
        }
        let mut object = render::object(event)?;
        for always in ["sender", "text"] {
            object.entry(always).or_insert_with(|| Value::from(""));
        }
        if let Some(name) = self.names.get(&event.sender) {
            object.insert("senderName".into(), name.into());
        }
        if let Some(name) = self.names.get(&event.person) {
            object.insert("personName".into(), name.into());
        }
        Ok(render::line(&serde_json::to_string(&object)?)?)
    }

    /// Prints a gap.
    pub(crate) fn gap(&self, gap: &Gap) -> anyhow::Result<()> {
        if self.output == Output::Table {
            let why = match gap.reason() {
                GapReason::Withheld => "withheld",
                GapReason::BeforeMembership => "before you were a member",
                GapReason::Retention => "no longer kept",
                GapReason::Erased => "erased",
                GapReason::Unspecified => "not shown",
            };
            return Ok(render::line(&format!("-- {} to {}: {why}", gap.from_seq, gap.to_seq))?);
        }
        let mut object = render::object(gap)?;
        object.insert("kind".into(), "gap".into());
        // What every line has: where the reader is, and, as there is no sender and no text, empty ones.
        object.insert("seq".into(), gap.to_seq.to_string().into());
        for absent in ["sender", "text"] {
            object.insert(absent.into(), "".into());
        }
        Ok(render::line(&serde_json::to_string(&object)?)?)
    }
}
