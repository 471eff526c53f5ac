//! What rooms promise.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{PEOPLE, ROOMS, any_commands, some_room, someone};
use crate::batch::Batch;
use crate::entry::{Entry, GapReason};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::read::{HistoryRequest, history, leaf, members, room, unread};
use crate::room::{Role, Visibility};
use crate::rows::MemRows;
use crate::shard::Shard;
use crate::testkit::SHARD;
use crate::tree::Frontier;

fn page(rows: &MemRows, person: PersonId, room: RoomId, request: HistoryRequest) -> Option<crate::read::Page> {
    let Ok(page) = history(rows, person, room, &request);
    page.ok()
}

const ALL: HistoryRequest = HistoryRequest { after: 0, before: 0, limit: 1_000, limit_bytes: 1 << 20, from_now: false };

/// Who may see what, by the plainest reading of a room's entries.
fn may_see(entries: &[Entry], person: PersonId) -> Vec<u64> {
    let public = entries[0].visibility == Some(Visibility::Public);
    let (mut seen, mut inside) = (Vec::new(), false);
    for entry in entries {
        let about = match entry.kind {
            Kind::RoomCreated => entry.actor == person || entry.person == Some(person),
            Kind::Joined | Kind::Left => entry.actor == person,
            Kind::Invited | Kind::Removed => entry.person == Some(person),
            _ => false,
        };
        let ends = matches!(entry.kind, Kind::Left | Kind::Removed);
        if about && !ends {
            inside = true;
            if public {
                seen = (1..entry.seq).collect();
            }
        }
        if inside {
            seen.push(entry.seq);
        }
        if about && ends {
            inside = false;
        }
    }
    seen
}

fn check_room(rows: &MemRows, id: RoomId, entries: &[Entry]) -> Result<(), TestCaseError> {
    let Ok(Some(state)) = room(rows, id) else { panic!("a room with entries is there") };
    prop_assert_eq!(state.head, entries.len() as u64);
    let mut current = 0;
    for person in (0..PEOPLE).map(someone) {
        let expected = may_see(entries, person);
        let found = page(rows, person, id, ALL);
        let seqs: Vec<u64> = found.iter().flat_map(|p| &p.entries).map(|e| e.seq).collect();
        prop_assert_eq!(&seqs, &expected, "person {:?}", person);
        let Ok(listing) = members(rows, person, id, None, 1_000);
        let Ok(listing) = listing else { continue };
        current = listing.items.len() as u64;
        prop_assert_eq!(current, state.members);
        let owners = listing.items.iter().filter(|m| m.role == Role::Owner).count() as u64;
        prop_assert_eq!(owners, state.owners);
        prop_assert!(owners > 0 || state.visibility == Visibility::Direct, "a room has an owner");
        let Ok(counts) = unread(rows, person, &[id]);
        let from = listing.items.iter().find(|m| m.person == person).expect("a member").since;
        let from = if state.visibility == Visibility::Public { 1 } else { from };
        let low = counts[0].read.max(from - 1);
        let messages = entries.iter().filter(|e| e.kind == Kind::Message && e.seq > low).count() as u64;
        prop_assert_eq!(counts[0].messages, messages);
    }
    prop_assert!(current == state.members, "somebody sees the members, unless there are none");
    Ok(())
}

fn check_pages(rows: &MemRows, id: RoomId, person: PersonId, limit: usize) -> Result<(), TestCaseError> {
    let Some(whole) = page(rows, person, id, ALL) else {
        return Ok(());
    };
    for backwards in [false, true] {
        let mut found = Vec::new();
        let mut request = HistoryRequest { limit, limit_bytes: 20, ..ALL };
        request.before = if backwards { whole.head + 1 } else { 0 };
        loop {
            let part = page(rows, person, id, request).expect("the room is still there");
            prop_assert_eq!(part.head, whole.head);
            if part.from == 0 {
                break;
            }
            let mut covered: Vec<u64> = part.entries.iter().map(|e| e.seq).collect();
            for gap in &part.gaps {
                prop_assert_eq!(gap.reason, GapReason::BeforeMembership);
                covered.extend(gap.from..=gap.to);
            }
            covered.sort_unstable();
            prop_assert_eq!(covered, (part.from..=part.to).collect::<Vec<_>>());
            match backwards {
                true => {
                    prop_assert_eq!(part.to, request.before - 1);
                    request.before = part.from;
                    found.splice(0..0, part.entries);
                }
                false => {
                    prop_assert_eq!(part.from, request.after + 1);
                    request.after = part.to;
                    found.extend(part.entries);
                }
            }
            if request.before == 1 {
                break;
            }
        }
        prop_assert_eq!(&found, &whole.entries);
    }
    Ok(())
}

fn check_hidden(rows: &MemRows, id: RoomId, entries: &[Entry]) -> Result<(), TestCaseError> {
    let redacted: Vec<u64> = entries.iter().filter(|e| e.kind == Kind::Redaction).filter_map(|e| e.target).collect();
    for person in (0..PEOPLE).map(someone) {
        for shown in page(rows, person, id, ALL).iter().flat_map(|p| &p.entries) {
            let message = shown.kind == Kind::Message && redacted.contains(&shown.seq);
            let edit = shown.kind == Kind::Edit && redacted.contains(&shown.target.unwrap_or_default());
            prop_assert_eq!(shown.content.is_empty(), message || edit, "{:?}", shown);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn rooms_keep_their_promises(commands in any_commands(), size in 1usize..20, limit in 1usize..5) {
        let mut rows = MemRows::default();
        let Ok(mut shard) = Shard::load(SHARD, &rows);
        let mut rooms: HashMap<RoomId, Vec<Entry>> = HashMap::new();
        let mut answers = HashMap::new();
        let mut last_us = i64::MIN;
        for batch in commands.chunks(size) {
            let applied_batch = Batch { commands: batch.to_vec() };
            let Ok(applied) = shard.apply(&rows, &[&applied_batch]);
            rows.commit(&applied.changes);
            for (command, outcome) in batch.iter().zip(applied.outcomes) {
                let intent = (command.actor, command.action.scope(command.actor), command.request);
                // A direct room that is there already is found, not made: that uses no id up.
                let direct = matches!(command.action, crate::Action::CreateRoom { peer: Some(_), .. });
                match outcome {
                    Outcome::Committed { seq, repeated: true, .. } if direct => prop_assert_eq!(seq, 1),
                    Outcome::Committed { seq, time_us, .. } => {
                        let first = *answers.entry(intent).or_insert((seq, time_us));
                        prop_assert_eq!(first, (seq, time_us), "one answer per request");
                    }
                    Outcome::Refused(_) => {}
                }
            }
            for event in applied.news.events(&[applied_batch]) {
                let entries = rooms.entry(event.room).or_default();
                prop_assert_eq!(event.entry.seq, entries.len() as u64 + 1, "no holes");
                prop_assert!(event.entry.time_us > last_us, "time runs forwards");
                last_us = event.entry.time_us;
                entries.push(event.entry);
            }
        }
        for id in (0..ROOMS).map(some_room) {
            let Some(entries) = rooms.get(&id) else { continue };
            check_room(&rows, id, entries)?;
            check_hidden(&rows, id, entries)?;
            for person in (0..PEOPLE).map(someone) {
                check_pages(&rows, id, person, limit)?;
            }
        }
        let mut tree = Frontier::default();
        for index in 0..shard.record_size() {
            let Ok(Some(leaf)) = leaf(&rows, SHARD, index) else { panic!("no holes in the record") };
            prop_assert_eq!(leaf.header.index, index);
            prop_assert!(leaf.header.encode().len() + 32 <= crate::limits::MAX_LEAF_BYTES);
            tree.push(leaf.hash());
        }
        prop_assert_eq!(tree.root(), shard.record_root());
    }
}
