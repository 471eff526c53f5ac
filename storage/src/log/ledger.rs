//! What the log on disk holds: built by replay at start, kept by the writer after each sync.
//!
//! One function, [`Ledger::apply`], serves both, so that a restart sees exactly what the writer saw.

use std::collections::BTreeMap;

use hansard_domain::ShardId;

use super::record::{Record, ShardState};
use crate::entry::LogEntry;
use crate::mark::LogPosition;

/// Where an entry's frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// Why a record can't follow those before it.
pub(crate) type Contradiction = String;

/// A shard's part of the log.
#[derive(Clone, Debug)]
pub(crate) struct ShardLedger {
    pub(crate) state: ShardState,
    /// Live entries: index to term and place. During replay, entries whose segment is gone may be missing.
    pub(crate) entries: BTreeMap<u64, (u64, Place)>,
}

/// All shards, and how much of each segment is live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) next_shard: u32,
    pub(crate) shards: BTreeMap<u32, ShardLedger>,
    /// Live frame bytes per segment; segments without any are absent.
    pub(crate) live: BTreeMap<u64, u64>,
    /// Whether the first checkpoint was seen.
    started: bool,
}

impl Ledger {
    /// The checkpoint that describes this moment.
    pub(crate) fn checkpoint(&self) -> Record {
        let shards = self.shards.values().map(|s| s.state.clone()).collect();
        Record::Checkpoint { next_shard: self.next_shard.max(1), shards }
    }

    /// Takes in a record that is durable. `place` is that of its body.
    pub(crate) fn apply(&mut self, number: u32, record: &Record, place: Place) -> Result<(), Contradiction> {
        match record {
            Record::Checkpoint { .. } => return self.apply_checkpoint(record),
            Record::Create(id) => return self.create(number, *id),
            Record::Remove => {
                let gone = self.shards.remove(&number).ok_or("removal of a shard that is not there")?;
                gone.entries.values().for_each(|(_, place)| release(&mut self.live, *place));
                return Ok(());
            }
            _ => {}
        }
        let live = &mut self.live;
        let shard = self.shards.get_mut(&number).ok_or("record of a shard that is not there")?;
        match record {
            Record::Entry(frame) => shard.append(live, frame, place)?,
            Record::Relocated(frame) => shard.relocate(live, frame, place)?,
            Record::Vote(vote) => shard.state.vote = Some(*vote),
            Record::Truncate(last) => {
                shard.drop_after(live, last.map(|(_, index)| index));
                shard.state.last = *last;
            }
            Record::Purge { upto, reset } => {
                shard.drop_to(live, upto.1);
                if *reset {
                    shard.drop_after(live, Some(upto.1));
                    shard.state.last = Some(*upto);
                }
                shard.state.purged = Some(*upto);
            }
            Record::Checkpoint { .. } | Record::Create(_) | Record::Remove => {
                unreachable!("handled above")
            }
        }
        Ok(())
    }

    fn create(&mut self, number: u32, id: ShardId) -> Result<(), Contradiction> {
        if number < self.next_shard || self.shards.values().any(|s| s.state.id == id) {
            return Err(format!("shard {id} created twice"));
        }
        let state = ShardState { number, id, vote: None, purged: None, last: None };
        self.shards.insert(number, ShardLedger { state, entries: BTreeMap::new() });
        self.next_shard = number + 1;
        Ok(())
    }

    fn apply_checkpoint(&mut self, record: &Record) -> Result<(), Contradiction> {
        if !self.started {
            let Record::Checkpoint { next_shard, shards } = record else { unreachable!("only called for checkpoints") };
            self.next_shard = *next_shard;
            for state in shards {
                self.shards.insert(state.number, ShardLedger { state: state.clone(), entries: BTreeMap::new() });
            }
            self.started = true;
        } else if *record != self.checkpoint() {
            return Err("a checkpoint differs from what the records before it say".into());
        }
        Ok(())
    }

    /// The shards with live entries in segments before this one, and the last such entry of each.
    pub(crate) fn before(&self, segment: u64) -> Vec<(ShardId, u64)> {
        if self.live.first_key_value().is_none_or(|(oldest, _)| *oldest >= segment) {
            return Vec::new();
        }
        let last = |shard: &ShardLedger| {
            let mut newest_first = shard.entries.iter().rev();
            let (index, _) = newest_first.find(|(_, (_, place))| place.segment < segment)?;
            Some((shard.state.id, *index))
        };
        self.shards.values().filter_map(last).collect()
    }

    /// Whether a checkpoint came before everything else.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    /// Checks that every shard has all entries from its purge to its last.
    pub(crate) fn complete(&self) -> Result<(), Contradiction> {
        for shard in self.shards.values() {
            let ShardState { id, purged, last, .. } = &shard.state;
            let from = match (purged, shard.entries.first_key_value()) {
                (Some((_, index)), _) => index + 1,
                (None, Some((first, _))) if *first <= 1 => *first,
                (None, _) => 1,
            };
            let end = last.map_or(from, |(_, index)| index + 1);
            let have = shard.entries.len() as u64;
            let right = have == end.saturating_sub(from)
                && shard.entries.first_key_value().is_none_or(|(first, _)| *first == from)
                && shard.entries.last_key_value().is_none_or(|(key, (term, _))| *last == Some((*term, *key)));
            if !right {
                return Err(format!("shard {id} should have entries {from}..{end}, {have} are there"));
            }
        }
        Ok(())
    }
}

fn release(live: &mut BTreeMap<u64, u64>, place: Place) {
    let bytes = live.get_mut(&place.segment).expect("a placed entry is counted as live");
    *bytes -= u64::from(place.len);
    if *bytes == 0 {
        live.remove(&place.segment);
    }
}

impl ShardLedger {
    fn append(
        &mut self,
        live: &mut BTreeMap<u64, u64>,
        frame: &bytes::Bytes,
        place: Place,
    ) -> Result<(), Contradiction> {
        let (term, index) = LogEntry::peek(frame).map_err(|e| e.to_string())?;
        let follows = match self.state.last {
            Some((last_term, last)) => index == last + 1 && term >= last_term,
            None => index <= 1,
        };
        if !follows {
            return Err(format!("entry {index} of shard {} leaves a hole", self.state.id));
        }
        self.put(live, term, index, place);
        self.state.last = Some((term, index));
        Ok(())
    }

    fn relocate(
        &mut self,
        live: &mut BTreeMap<u64, u64>,
        frame: &bytes::Bytes,
        place: Place,
    ) -> Result<(), Contradiction> {
        let (term, index) = LogEntry::peek(frame).map_err(|e| e.to_string())?;
        let bounds =
            (self.state.purged.map_or(0, |(_, index)| index + 1), self.state.last.map_or(0, |(_, index)| index));
        let same = self.entries.get(&index).is_none_or(|(old, _)| *old == term);
        if index < bounds.0 || index > bounds.1 || !same {
            return Err(format!("entry {index} of shard {} was written again, but is not live", self.state.id));
        }
        if let Some((_, old)) = self.entries.remove(&index) {
            release(live, old);
        }
        self.put(live, term, index, place);
        Ok(())
    }

    fn put(&mut self, live: &mut BTreeMap<u64, u64>, term: u64, index: u64, place: Place) {
        *live.entry(place.segment).or_default() += u64::from(place.len);
        self.entries.insert(index, (term, place));
    }

    fn drop_after(&mut self, live: &mut BTreeMap<u64, u64>, last: Option<u64>) {
        let gone = match last {
            Some(index) => self.entries.split_off(&(index + 1)),
            None => std::mem::take(&mut self.entries),
        };
        gone.values().for_each(|(_, place)| release(live, *place));
    }

    fn drop_to(&mut self, live: &mut BTreeMap<u64, u64>, upto: u64) {
        let kept = self.entries.split_off(&(upto + 1));
        std::mem::replace(&mut self.entries, kept).values().for_each(|(_, place)| release(live, *place));
    }

    /// The position of the entry at `index`, if it is live.
    pub(crate) fn position(&self, index: u64) -> Option<LogPosition> {
        self.entries.get(&index).map(|(term, _)| (*term, index))
    }
}
