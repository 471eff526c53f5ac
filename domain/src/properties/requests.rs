//! The memory of requests is a map from owner and id to the first answer, whatever the order of ids.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::cache::Cache;
use crate::changes::Changes;
use crate::dedup::{DedupRow, Proof};
use crate::ids::RequestId;
use crate::outcome::Outcome;
use crate::request_block::RequestBlock;
use crate::requests::{Newest, Requests, find};
use crate::rows::{Change, MemRows, Table};

/// Ids of an owner: several full blocks of them.
const IDS: u16 = 400;

fn id(number: u16) -> RequestId {
    let mut bytes = [0; 16];
    bytes[4..6].copy_from_slice(&number.to_be_bytes());
    RequestId::from_bytes(bytes)
}

fn answer(seq: u64) -> Vec<u8> {
    DedupRow::encode(1, &Outcome::Committed { seq, time_us: 1, repeated: false }, &Proof::Event, |_| {})
}

/// Requests of two owners, some ids ascending, and where batches and commits end.
fn any_requests() -> impl Strategy<Value = Vec<(u8, u16, u8)>> {
    let up = (0u8..2, 0u16..IDS, 0u8..12);
    prop::collection::vec(up, 1..900).prop_perturb(|mut all, mut dice| {
        let mut next = [0, 0];
        for (owner, id, _) in &mut all {
            let next = &mut next[usize::from(*owner)];
            if dice.random_bool(0.6) {
                (*next, *id) = ((*next + 1 + *id % 3) % IDS, *next);
            }
        }
        all
    })
}

fn finish(requests: &mut Requests, newest: &mut Newest) -> Vec<Change> {
    let mut changes = Changes::default();
    requests.finish(newest, &mut changes);
    changes.finish()
}

/// Blocks ascend, hold what their key says, and do not overlap.
fn check_rows(rows: &MemRows) -> Result<(), TestCaseError> {
    let mut before: Option<(Vec<u8>, RequestId)> = None;
    for (_, key, value) in rows.iter().filter(|(table, ..)| *table == Table::Dedup) {
        let block = RequestBlock::decode(value).unwrap();
        let (owner, last) = key.split_at(32);
        let named = block.last();
        prop_assert_eq!(last, named.as_bytes());
        if let Some((_, last)) = before.filter(|(before, _)| before == owner) {
            prop_assert!(!block.spans(last));
        }
        before = Some((owner.to_vec(), block.last()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::a_quarter())]

    #[test]
    fn requests_are_a_map(requests in any_requests(), remembered in prop::sample::select(vec![0usize, 1_000])) {
        let (mut rows, mut model) = (MemRows::default(), HashMap::new());
        let (mut under_way, mut newest) = (Requests::default(), Newest::new(remembered));
        for (seq, (owner, number, ends)) in requests.into_iter().enumerate() {
            let (owner, id, seq) = ([owner; 32], id(number), seq as u64);
            let Ok(found) = under_way.find(&rows, &mut newest, &owner, id);
            prop_assert_eq!(found.map(|row| row.outcome), model.get(&(owner, id)).copied());
            model.entry((owner, id)).or_insert_with(|| {
                let Ok(()) = under_way.keep(&rows, &mut newest, &owner, id, &answer(seq));
                Outcome::Committed { seq, time_us: 1, repeated: false }
            });
            if ends < 2 {
                under_way.end_batch();
            }
            if ends == 0 {
                rows.commit(&finish(&mut under_way, &mut newest));
                check_rows(&rows)?;
            }
        }
        rows.commit(&finish(&mut under_way, &mut newest));
        check_rows(&rows)?;
        for ((owner, id), outcome) in model {
            let Ok(found) = find(&rows, &owner, id);
            prop_assert_eq!(found.map(|row| row.outcome), Some(outcome));
        }
    }
}

#[test]
fn ascending_ids_of_a_batch_are_one_row_and_read_nothing() {
    let (rows, mut newest) = (MemRows::default(), Cache::new(16));
    let mut requests = Requests::default();
    for number in 0..20 {
        let Ok(()) = requests.keep(&rows, &mut newest, &[7; 32], id(number), &answer(1));
    }
    assert_eq!(finish(&mut requests, &mut newest).len(), 1);
}
