//! People, revocations, operators and signals.

use std::{sync::atomic::Ordering, time::Duration};

use hansard_domain::{Action, PersonId, RequestId, RoomId, ShardId};
use hansard_proto::{
    cluster::v1::{self as wire, LinkRequest, Signal, node_call::Call, node_reply::Outcome, operate::Command},
    convert, reason, status,
};

use crate::{
    harness::{Cluster, eventually},
    link::Link,
    router::{Router, draw, principal, text},
};

const ALICE: PersonId = PersonId::from_bytes([1; 16]);

async fn resolve(router: &Router, subject: &str) -> wire::PersonView {
    match router.call(ShardId::META, None, named(subject, false)).await.unwrap() {
        Outcome::Person(person) => person,
        other => panic!("not a person: {other:?}"),
    }
}

fn named(subject: &str, only_known: bool) -> Call {
    let (issuer, subject) = ("https://issuer.example".into(), subject.into());
    Call::ResolvePerson(wire::ResolvePerson { issuer, subject, only_known })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_only_looked_up_gets_no_id() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    for _ in 0..2 {
        let refused = router.call(ShardId::META, None, named("bbo", true)).await.unwrap_err();
        assert_eq!(status::reason_of(&refused).unwrap(), "PERSON_UNKNOWN");
    }
    let bob = resolve(&router, "bob").await;
    let found = router.call(ShardId::META, None, named("bob", true)).await.unwrap();
    assert_eq!(found, Outcome::Person(bob.clone()));
    let all = router.call(ShardId::META, principal(ALICE), Call::ScanPeople(wire::ScanPeople::default())).await;
    let Ok(Outcome::People(page)) = all else { panic!("no people: {all:?}") };
    assert_eq!(page.people, [bob]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_reaches_every_link_and_cuts_the_person_off() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let bob = resolve(&router, "bob").await;
    assert_eq!(bob, resolve(&router, "bob").await, "the same person for the same subject");
    let bob_id = PersonId::from_slice(&bob.person).unwrap();
    let room = router.create_room(bob_id).await;
    let mut links = Vec::new();
    for at in 0..3 {
        links.push(Link::open_as(&cluster.address(at), &format!("r{at}")).await.unwrap());
    }
    router.operate(Command::RevokePerson(bob.person.clone())).await.unwrap();
    let acked = tokio::time::Instant::now();
    eventually("all links know", || {
        links.iter().all(|link| link.directory.lock().unwrap().revoked.iter().any(|told| told.person == bob.person))
    })
    .await;
    assert!(acked.elapsed() < Duration::from_secs(1), "within a second of the ack");
    let late = Link::open(&cluster.address(1)).await.unwrap();
    eventually("a new link is told all that matters", || {
        late.directory.lock().unwrap().revoked.iter().any(|told| told.person == bob.person && told.epoch == 1)
    })
    .await;
    let request = RequestId::from_bytes(draw());
    let refused = router.propose(bob_id, request, Action::SendMessage { room }, text("still here")).await.unwrap_err();
    assert_eq!(status::reason_of(&refused).unwrap(), reason::PERSON_EPOCH_STALE);
    router.operate(Command::RevokeToken(wire::RevokeTokenId { token_id: "jti-1".into() })).await.unwrap();
    eventually("a revoked token is told", || {
        links.iter().all(|link| link.directory.lock().unwrap().revoked.iter().any(|told| told.token_id == "jti-1"))
    })
    .await;
    eventually("somebody says that the directory is fresh", || {
        links.iter().any(|link| link.fresh.load(Ordering::SeqCst) >= 2)
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_operators_operate_and_only_current_epochs_count() {
    let cluster = Cluster::start(1).await;
    let router = Router::new(&cluster);
    let command = wire::Operate { request_id: draw().to_vec().into(), command: Some(Command::JoinNode(1)) };
    let refused = router.call(ShardId::META, principal(ALICE), Call::Operate(command)).await.unwrap_err();
    assert_eq!(status::reason_of(&refused).unwrap(), "NOT_OPERATOR");
    let unknown = router.operate(Command::JoinNode(1)).await.unwrap_err();
    assert_eq!(status::reason_of(&unknown).unwrap(), "NODE_UNKNOWN");
    let link = Link::open(&cluster.address(0)).await.unwrap();
    let room = router.create_room(ALICE).await;
    let shard = router.shard_of(room).await;
    let read = Call::ReadRoom(wire::ReadRoom { room: convert::bytes(room) });
    let stale = link.call(shard, 0, principal(ALICE), read.clone()).await.unwrap_err();
    assert_eq!(status::reason_of(&stale).unwrap(), reason::STALE_EPOCH);
    assert!(matches!(link.call(shard, 1, principal(ALICE), read.clone()).await, Ok(Outcome::Room(_))));
    let nobody = link.call(shard, 1, None, read).await.unwrap_err();
    assert_eq!(status::reason_of(&nobody).unwrap(), reason::INVALID_ARGUMENT);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_command_is_recorded_once_in_the_home_shard_whichever_node_refuses_it() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let placement = router.placement().await;
    // People of every shard, so that each node refuses some whose home it does not lead.
    let homes: Vec<ShardId> =
        (1..=255u8).map(|n| Router::shard_in(&placement, PersonId::from_bytes([n; 16]).slot()).0).collect();
    for shard in placement.shards.iter().map(|place| ShardId::from_slice(&place.shard).unwrap()) {
        let Some(n) = homes.iter().position(|home| *home == shard) else { continue };
        let person = PersonId::from_bytes([n as u8 + 1; 16]);
        for at in 0..3 {
            let before = recorded(&router, shard).await;
            let link = Link::open(&cluster.address(at)).await.unwrap();
            let command = wire::Operate { request_id: draw().to_vec().into(), command: Some(Command::JoinNode(1)) };
            let refused = link.call(ShardId::META, 0, principal(person), Call::Operate(command)).await.unwrap_err();
            assert_eq!(status::reason_of(&refused).unwrap(), "NOT_OPERATOR");
            assert_eq!(recorded(&router, shard).await, before + 1, "refused by node {at}");
        }
    }
    cluster.shutdown().await;
}

/// How many entries the record of a shard has, by its leader.
async fn recorded(router: &Router, shard: ShardId) -> u64 {
    let leader = router.leader(shard).await.expect("a leader");
    let status = router.status(&leader.address).await.expect("a status");
    let told = status.shards.iter().find(|told| told.shard == convert::bytes(shard)).expect("it hosts the shard");
    told.record_size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signals_go_to_whom_they_concern_and_die_with_their_link() {
    let cluster = Cluster::start(1).await;
    let router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    let shard = router.shard_of(room).await;
    let one = Link::open_as(&cluster.address(0), "one").await.unwrap();
    let two = Link::open_as(&cluster.address(0), "two").await.unwrap();
    two.subscribe(room, shard, None).await;
    assert!(two.feed(Duration::from_secs(5)).await.unwrap().subscribed.is_some());
    let typing = Signal { person: convert::bytes(ALICE), room: convert::bytes(room), ..Signal::default() };
    let elsewhere = Signal { room: convert::bytes(RoomId::from_bytes([5; 16])), ..typing.clone() };
    let present = Signal { person: convert::bytes(ALICE), availability: 1, ..Signal::default() };
    let signals = vec![elsewhere, typing.clone(), present.clone()];
    one.send(LinkRequest { signals, ..LinkRequest::default() }).await;
    let mut heard = two.signals.lock().await;
    assert_eq!(heard.recv().await.unwrap(), typing, "typing in rooms that nobody follows is not passed on");
    assert_eq!(heard.recv().await.unwrap(), present);
    let late = Link::open_as(&cluster.address(0), "late").await.unwrap();
    assert_eq!(late.signals.lock().await.recv().await.unwrap(), present);
    drop(one);
    let gone = heard.recv().await.unwrap();
    assert_eq!((gone.person, gone.availability), (present.person, 4));
    cluster.shutdown().await;
}
