//! What the nodes hold once all is over: of each shard the replicas that placement names.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
};

use anyhow::{Context, Result};
use hansard_domain::{
    Body, Content, ContentState, EventRow, Interval, Kind, PersonId, RoomId, Rows, Shard, ShardId, Table,
    decode_events,
    meta::{Meta, MetaView},
    placement::REPLICAS,
    read,
    tree::Frontier,
};
use hansard_node::raft::voters_of;
use hansard_storage::{ShardRows, Store};

/// A replica, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Entries of its record.
    pub(crate) size: u64,
    /// The root of its record's tree.
    pub(crate) root: [u8; 32],
    /// The last applied entry of its log.
    pub(crate) applied: (u64, u64),
    /// Whose votes count there: two sets while a change of the voters stands half way.
    pub(crate) voters: Vec<BTreeSet<u64>>,
}

/// A replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// The machine it is on.
    pub(crate) node: usize,
    /// In short.
    pub(crate) head: Head,
    /// A hash over all rows of all tables.
    pub(crate) rows: u64,
}

/// An entry of a room, as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its place in the room.
    pub(crate) seq: u64,
    /// What happened.
    pub(crate) kind: Kind,
    /// Who did it, and whom it is about.
    pub(crate) actor: String,
    /// Whom it is about.
    pub(crate) person: Option<String>,
    /// The intent.
    pub(crate) request: String,
    /// The seq that it is about.
    pub(crate) target: Option<u64>,
    /// The text, or the reason.
    pub(crate) text: String,
    /// Whether it may be shown still.
    pub(crate) redacted: bool,
}

/// A room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Its entries in the order of their keys.
    pub(crate) entries: Vec<Stored>,
    /// What each person may see.
    pub(crate) sight: BTreeMap<String, Vec<Interval>>,
}

/// A shard's record.
#[derive(Debug)]
pub(crate) struct Record {
    /// The root that its leaves give.
    pub(crate) root: [u8; 32],
    /// Times of its entries, in their order.
    pub(crate) times: Vec<i64>,
}

/// All that the invariants look at. Placement is that of the newest view; rooms and records are those of the first replica of each shard.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Replicas.
    pub(crate) replicas: BTreeMap<ShardId, Vec<Replica>>,
    /// Voters, as placement names them.
    pub(crate) voters: BTreeMap<ShardId, BTreeSet<u64>>,
    /// Records.
    pub(crate) records: BTreeMap<ShardId, Record>,
    /// Rooms by their ids.
    pub(crate) rooms: BTreeMap<String, Room>,
}

/// The newest view of the cluster among these stores.
pub(crate) fn view<'a>(stores: impl IntoIterator<Item = &'a (usize, Store)>) -> Option<MetaView> {
    let view = |store: &Store| Some(Meta::load(&store.shard(ShardId::META).ok()?.rows()).ok()?.view().clone());
    let held = stores.into_iter().filter(|(_, store)| store.shards().contains(&ShardId::META));
    held.filter_map(|(_, store)| view(store)).filter(|view| view.cluster.is_some()).max_by_key(|view| view.revision)
}

/// The replicas that placement names, as far as they are up.
fn placed<'a>(view: &MetaView, stores: &'a [(usize, Store)]) -> BTreeMap<ShardId, Vec<(usize, &'a Store)>> {
    let of = |id: &u64| stores.iter().find(|(_, store)| store.identity().node == *id);
    let replicas = |voters: &[u64]| voters.iter().filter_map(of).map(|(node, store)| (*node, store)).collect();
    view.places().map(|place| (place.shard, replicas(&place.voters))).collect()
}

fn voters_placed(view: &MetaView, id: ShardId) -> BTreeSet<u64> {
    view.place(id).map(|place| place.voters.iter().copied().collect()).unwrap_or_default()
}

/// Whether every shard has all its replicas up, enough of them, all of them equal, and the voters that placement names.
pub(crate) fn is_settled(stores: &[(usize, Store)]) -> Result<bool> {
    let Some(view) = view(stores) else { return Ok(false) };
    for (id, up) in placed(&view, stores) {
        let voters = voters_placed(&view, id);
        let heads: Vec<Head> = up.iter().map(|(_, store)| head(id, store)).collect::<Result<_>>()?;
        if voters.len() < REPLICAS || heads.len() < voters.len() || heads.iter().any(|head| *head != heads[0]) {
            return Ok(false);
        }
        if heads[0].voters != [voters] {
            return Ok(false);
        }
    }
    Ok(true)
}

fn head(id: ShardId, store: &Store) -> Result<Head> {
    let rows = store.shard(id)?.rows();
    let (size, root) = if id == ShardId::META {
        let meta = Meta::load(&rows)?;
        (meta.record_size(), meta.record_root())
    } else {
        let shard = Shard::load(id, &rows)?;
        (shard.record_size(), shard.record_root())
    };
    let mark = rows.applied();
    let voters = voters_of(mark.as_ref().map_or(&[], |mark| &mark.membership))?;
    Ok(Head { size, root, applied: mark.map(|mark| mark.position()).unwrap_or_default(), voters })
}

impl Evidence {
    /// Reads it all.
    pub(crate) fn read(stores: &[(usize, Store)], people: &[String]) -> Result<Self> {
        let view = view(stores).context("no node knows the cluster")?;
        let mut evidence = Self::default();
        for (id, placed) in placed(&view, stores) {
            evidence.voters.insert(id, voters_placed(&view, id));
            for (node, store) in &placed {
                let rows = hash_rows(&store.shard(id)?.rows())?;
                let replica = Replica { node: *node, head: head(id, store)?, rows };
                evidence.replicas.entry(id).or_default().push(replica);
            }
            let Some((_, first)) = placed.first() else { continue };
            let rows = first.shard(id)?.rows();
            evidence.records.insert(id, read_record(id, &rows)?);
            if id != ShardId::META {
                evidence.read_rooms(&rows, people)?;
            }
        }
        Ok(evidence)
    }

    fn read_rooms(&mut self, rows: &ShardRows, people: &[String]) -> Result<()> {
        for (key, value) in scan(rows, Table::Event)? {
            let id = RoomId::from_bytes(key[..16].try_into()?);
            let last = u64::from_be_bytes(key[16..].try_into()?);
            let room = self.rooms.entry(id.to_string()).or_default();
            for (seq, row) in decode_events(last, &value.into()).context("a block of entries")? {
                room.entries.push(stored(seq, row)?);
            }
        }
        for (key, _) in scan(rows, Table::Room)? {
            let id = RoomId::from_bytes(key[..16].try_into()?);
            let room = self.rooms.entry(id.to_string()).or_default();
            for person in people {
                let member = read::membership(rows, id, person.parse::<PersonId>()?)?;
                room.sight.extend(member.map(|member| (person.clone(), member.intervals)));
            }
        }
        Ok(())
    }

    /// Where a request's effects are: rooms and entries.
    pub(crate) fn places<'a>(&'a self, request: &'a str) -> Vec<(&'a str, &'a Stored)> {
        let entries =
            self.rooms.iter().flat_map(|(room, held)| held.entries.iter().map(move |entry| (&room[..], entry)));
        entries.filter(|(_, entry)| entry.request == request).collect()
    }

    /// An entry, by its place.
    pub(crate) fn entry(&self, room: &str, seq: u64) -> Option<&Stored> {
        self.rooms.get(room)?.entries.iter().find(|entry| entry.seq == seq)
    }
}

impl Room {
    /// Whether a person may see this seq, once all is over.
    pub(crate) fn sees(&self, person: &str, seq: u64) -> bool {
        let intervals = self.sight.get(person).map(Vec::as_slice).unwrap_or_default();
        intervals.iter().any(|sight| sight.from <= seq && sight.to.is_none_or(|to| seq <= to))
    }

    /// Whether a person came in more than once: what was hidden meanwhile may be seen now.
    pub(crate) fn came_back(&self, person: &str) -> bool {
        let entered = |entry: &&Stored| {
            let subject = entry.person.as_deref().unwrap_or(&entry.actor);
            matches!(entry.kind, Kind::Joined | Kind::Invited) && subject == person
        };
        self.entries.iter().filter(entered).count() > 1
    }
}

fn stored(seq: u64, row: EventRow) -> Result<Stored> {
    let content = match &row.body {
        Body::Kept { content, .. } => Content::decode(&content.open())?,
        Body::Erased(_) => Content::default(),
    };
    Ok(Stored {
        seq,
        kind: row.kind,
        actor: row.actor.to_string(),
        person: row.person.map(|person| person.to_string()),
        request: row.request.to_string(),
        target: row.target,
        text: content.text.or(content.reason).unwrap_or_default(),
        redacted: row.state == ContentState::Redacted,
    })
}

fn read_record(id: ShardId, rows: &ShardRows) -> Result<Record> {
    let (mut tree, mut times) = (Frontier::default(), Vec::new());
    while let Some(leaf) = read::leaf(rows, id, tree.size())? {
        times.push(leaf.header.time_us);
        tree.push(leaf.hash());
    }
    Ok(Record { root: tree.root(), times })
}

type Row = (Vec<u8>, Vec<u8>);

fn scan(rows: &ShardRows, table: Table) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    rows.scan(table, &[], &[0xff; 64], false, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        true
    })?;
    Ok(found)
}

fn hash_rows(rows: &ShardRows) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for &table in Table::ALL {
        for (key, value) in scan(rows, table)? {
            hasher.write_u8(table as u8);
            hasher.write(&key);
            hasher.write(&value);
        }
    }
    Ok(hasher.finish())
}
