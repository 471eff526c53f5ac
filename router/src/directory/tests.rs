use std::time::Duration;

use hansard_domain::{PersonId, RoomId, ShardId};
use hansard_proto::cluster::v1 as edge;
use hansard_proto::convert::bytes;
use tokio::time::Instant;

use super::{Changes, State, Target};

fn shard(number: u8) -> ShardId {
    ShardId::from_bytes([number; 16])
}

fn placement() -> edge::Placement {
    let place =
        |number| edge::ShardPlace { shard: bytes(shard(number)), epoch: u64::from(number) * 10, voters: vec![] };
    edge::Placement {
        nodes: vec![],
        shards: vec![place(1), place(2)],
        slots: (0..4_096).map(|slot| u32::from(slot >= 2_048)).collect(),
        moved: vec![],
    }
}

fn leader(number: u8, term: u64, node: u64) -> edge::Leader {
    edge::Leader { shard: bytes(shard(number)), term, node }
}

fn message(revision: u64, placement: Option<edge::Placement>, leaders: Vec<edge::Leader>) -> edge::Directory {
    edge::Directory { revision, fresh: true, placement, leaders, ..edge::Directory::default() }
}

#[test]
fn rooms_are_where_their_slot_or_their_move_says() {
    let (mut state, now) = (State::default(), Instant::now());
    let (low, high) = (RoomId::from_bytes([0; 16]), RoomId::from_bytes([0xff; 16]));
    assert_eq!(state.route(Target::Room(low)), None);
    state.merge(message(1, Some(placement()), vec![leader(1, 5, 77)]), true, now);
    let route = state.route(Target::Room(low)).unwrap();
    assert_eq!((route.shard, route.epoch, route.leader), (shard(1), 10, Some(77)));
    assert_eq!(state.route(Target::Room(high)).unwrap().shard, shard(2));
    assert_eq!(state.route(Target::Room(high)).unwrap().leader, None);
    assert_eq!(state.route(Target::Ordinal(2)), None);

    let mut moved = placement();
    moved.moved.push(edge::Moved { room: bytes(low), shard: 1, epoch: 3 });
    state.merge(message(2, Some(moved), vec![]), false, now);
    assert_eq!(state.route(Target::Room(low)).unwrap().shard, shard(2));
    state.merge(message(1, Some(placement()), vec![]), false, now);
    assert_eq!(state.route(Target::Room(low)).unwrap().shard, shard(2), "older placements are passed over");
}

#[test]
fn leaders_follow_their_terms() {
    let (mut state, now) = (State::default(), Instant::now());
    let leads = |state: &State| state.route(Target::Ordinal(0)).unwrap().leader;
    state.merge(message(1, Some(placement()), vec![leader(1, 5, 77)]), true, now);
    let none = state.merge(message(1, None, vec![leader(1, 4, 66), leader(1, 5, 0)]), false, now);
    assert_eq!((none, leads(&state)), (Changes::default(), Some(77)));
    let changes = state.merge(message(1, None, vec![leader(1, 6, 88)]), false, now);
    assert_eq!((changes.leaders, leads(&state)), (vec![(shard(1), 88)], Some(88)));
    state.merge(message(1, None, vec![leader(1, 7, 0)]), false, now);
    assert_eq!(leads(&state), None, "a new term without a known leader");
    let changes = state.merge(message(1, None, vec![leader(1, 7, 99)]), false, now);
    assert_eq!((changes.leaders, leads(&state)), (vec![(shard(1), 99)], Some(99)));
}

#[test]
fn revocations_grow_and_expire() {
    let (mut state, now) = (State::default(), Instant::now());
    let person = PersonId::from_bytes([9; 16]);
    let token = |id: &str| edge::Revocation { token_id: id.into(), ..edge::Revocation::default() };
    let by_person =
        edge::Revocation { person: bytes(person), not_before_s: 100, epoch: 2, ..edge::Revocation::default() };
    let mut first = message(1, Some(placement()), vec![]);
    first.revoked = vec![token("a"), by_person.clone()];
    let changes = state.merge(first.clone(), true, now);
    assert_eq!((changes.tokens, changes.people), (vec!["a".to_owned()], vec![(person, 100)]));
    assert_eq!(state.person_revoked(person), (100, 2));
    first.revoked = vec![token("b"), by_person];
    let changes = state.merge(first.clone(), false, now);
    assert_eq!((changes.tokens, changes.people), (vec!["b".to_owned()], vec![]));
    assert!(state.token_revoked("a") && state.token_revoked("b"));
    first.revoked = vec![token("b")];
    state.merge(first, true, now);
    assert!(!state.token_revoked("a") && state.token_revoked("b"), "a new link tells all that still matters");
}

#[test]
fn a_stale_directory_admits_nobody_and_then_closes() {
    let (mut state, now) = (State::default(), Instant::now());
    assert!(!state.admits(now) && !state.is_dead(now));
    state.merge(message(3, Some(placement()), vec![]), true, now);
    let at = |seconds| now + Duration::from_secs(seconds);
    assert!(state.admits(at(9)) && !state.admits(at(10)));
    assert!(!state.is_dead(at(29)) && state.is_dead(at(30)));
    let stale = edge::Directory { fresh: false, ..message(3, None, vec![]) };
    state.merge(stale, false, at(20));
    assert!(!state.admits(at(20)), "only a fresh directory counts");
    state.merge(message(2, None, vec![]), false, at(20));
    assert!(!state.admits(at(20)), "nor does one that is behind what is known");
    state.merge(message(3, None, vec![]), false, at(20));
    assert!(state.admits(at(20)));
}

#[test]
fn another_cluster_is_noticed() {
    let mut state = State::default();
    let (a, b) = (hansard_domain::ClusterId::from_bytes([1; 16]), hansard_domain::ClusterId::from_bytes([2; 16]));
    assert!(state.joined(a) && state.joined(a) && !state.joined(b));
}
