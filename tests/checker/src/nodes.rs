//! The nodes' records: the first replica of each shard says what is in the rooms, the others must equal it leaf by leaf.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};

use crate::files::{History, of_kind};
use crate::format::Kind;
use crate::placement::Placement;
use crate::record::{self, Head, Item, Leaf};
use crate::report::{Report, Violation};
use crate::rooms::{Entry, NEVER, NOBODY, Rooms};
use crate::tree::Tree;

/// What all replicas so far had.
#[derive(Default)]
pub(crate) struct Known {
    /// Shard to the start of each leaf's hash, as far as the longest replica goes.
    leaves: HashMap<u128, Vec<u64>>,
    /// Shards whose rooms are known.
    rooms: BTreeSet<u128>,
    /// Nodes and the shards that they have.
    pub(crate) seen: BTreeSet<(String, u128)>,
}

/// Reads all dumps.
pub(crate) fn read(
    histories: &[History],
    placement: &Placement,
    rooms: &mut Rooms,
    report: &mut Report,
) -> Result<Known> {
    let mut known = Known::default();
    for history in of_kind(histories, Kind::Node) {
        let mut replica: Option<Replica> = None;
        record::read(history, |item| {
            match item {
                Item::Head(head) => {
                    if let Some(done) = replica.take() {
                        done.end(&mut known, placement, report);
                    }
                    if placement.counts(&history.title.name, head.shard) {
                        replica = Some(Replica::new(&history.title.name, head, &known, rooms));
                    }
                }
                Item::Leaf(leaf) => {
                    if let Some(replica) = &mut replica {
                        replica.entry(&leaf, &known, rooms, report)?;
                    }
                }
                Item::End => {}
            }
            Ok(())
        })?;
        if let Some(done) = replica {
            done.end(&mut known, placement, report);
        }
    }
    Ok(known)
}

/// A replica that is being read.
struct Replica<'a> {
    node: &'a str,
    head: Head,
    size: u64,
    time_us: i64,
    /// If this part looks at the shard's tree.
    tree: Option<Tree>,
    /// What is beyond the replicas before it: all of it, if it is the shard's first.
    beyond: Vec<u64>,
    fills_rooms: bool,
    differs: bool,
}

impl<'a> Replica<'a> {
    fn new(node: &'a str, head: Head, known: &Known, rooms: &Rooms) -> Self {
        let tree = rooms.cover(head.shard).then(Tree::default);
        Self {
            node,
            head,
            size: 0,
            time_us: i64::MIN,
            tree,
            beyond: Vec::new(),
            fills_rooms: !known.rooms.contains(&head.shard),
            differs: false,
        }
    }

    fn entry(&mut self, leaf: &Leaf, known: &Known, rooms: &mut Rooms, report: &mut Report) -> Result<()> {
        let header = &leaf.header;
        let (node, shard, index) = (self.node, self.head.shard, self.size);
        if header.shard != shard || header.index != index {
            let said = (header.shard, header.index);
            report.add(Violation::Gap, || format!("{node}: entry {index} of {shard:032x} says that it is {said:x?}"));
        }
        if header.time_us <= self.time_us {
            report.add(Violation::Gap, || format!("{node}: time runs backwards at entry {index} of {shard:032x}"));
        }
        (self.size, self.time_us) = (index + 1, header.time_us);
        if let Some(tree) = &mut self.tree {
            let hash = leaf.hash()?;
            tree.push(hash);
            let start = u64::from_be_bytes(*hash.first_chunk().context("a hash has 32 bytes")?);
            let others = known.leaves.get(&shard).and_then(|leaves| leaves.get(usize::try_from(index).ok()?));
            match others {
                None => self.beyond.push(start),
                Some(other) if *other == start || self.differs => {}
                Some(_) => {
                    self.differs = true;
                    report.add(Violation::Replica, || format!("{node} differs from entry {index} of {shard:032x} on"));
                }
            }
        }
        if self.fills_rooms {
            fill(leaf, node, rooms, report);
        }
        Ok(())
    }

    fn end(self, known: &mut Known, placement: &Placement, report: &mut Report) {
        let (node, shard, size) = (self.node, self.head.shard, self.size);
        known.seen.insert((node.to_owned(), shard));
        known.rooms.insert(shard);
        let said = self.head.size;
        if size != said {
            report.add(Violation::Gap, || {
                format!("{node}: the record of {shard:032x} has {size} entries, its head {said}")
            });
        }
        let Some(tree) = self.tree else { return };
        if tree.root() != self.head.root {
            report
                .add(Violation::Tree, || format!("{node}: the root of {shard:032x} is not that of its {size} leaves"));
        }
        let least = placement.entries(shard);
        if let Some(least) = least.filter(|least| size < *least) {
            report.add(Violation::Replica, || format!("{node} has {size} entries of {shard:032x}, and had {least}"));
        }
        let first = !known.leaves.contains_key(&shard);
        let others = known.leaves.entry(shard).or_default();
        if least.is_none() && !first && others.len() as u64 != size {
            let count = others.len();
            report.add(Violation::Replica, || format!("{node} has {size} entries of {shard:032x}, another {count}"));
        }
        if !self.differs {
            others.extend(self.beyond);
        }
    }
}

/// Puts an entry into its room.
fn fill(leaf: &Leaf, node: &str, rooms: &mut Rooms, report: &mut Report) {
    let Some((room, seq)) = leaf.header.place.filter(|(room, _)| rooms.cover(*room)) else { return };
    let entries = rooms.rooms.entry(room).or_default();
    let due = entries.len() as u64 + 1;
    if seq != due {
        report.add(Violation::Gap, || format!("{node}: room {room:032x} has seq {seq} where {due} is due"));
    }
    entries.push(Entry {
        request: leaf.header.request,
        digest: leaf.digest,
        invoked: 0,
        returned: NEVER,
        client: NOBODY,
        message: leaf.header.is_message(),
    });
}
