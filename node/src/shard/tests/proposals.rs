use hansard_domain::meta::{MetaAction, MetaCommand, MetaOutcome, NodeInfo as MetaNode};
use hansard_domain::{Action, ClusterId, Content, Outcome, PersonId, Refusal, RequestId, Role, Salt, read};

use super::cluster::{ANN, BEN, Cluster, PATIENCE, ROOM, SHARD, request, say, seq, text, tuning};
use crate::raft::test_store::Kind;
use crate::shard::refusals::ONE_BY_ONE;
use crate::shard::{ProposeError, RefusalReport};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_becomes_one_entry() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let leader = cluster.nodes[cluster.leader().await].shard();
    let before = leader.status().last_index;
    let requests: Vec<_> = (10..1_010).map(|id| say(id, "hello")).collect();
    let sending = requests.into_iter().map(|request| leader.submit(request));
    let outcomes = futures_util::future::join_all(sending).await;
    let mut seqs: Vec<u64> = outcomes.into_iter().map(|outcome| seq(outcome.expect("an outcome"))).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (2..1_002).collect::<Vec<_>>(), "each has its own seq, and there is no hole");
    let entries = leader.status().last_index - before;
    assert!(entries < 100, "1,000 commands took {entries} entries");
    assert_eq!(cluster.settled().await.record.size, 1_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_gives_the_same_answer_after_a_leader_change() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let first = cluster.submit(&say(7, "once")).await;
    let old = cluster.leader().await;
    let next = (old + 1) % 3;
    cluster.settled().await;
    cluster.nodes[old].host().transfer_leader(SHARD, cluster.nodes[next].info.id).await.expect("handed over");
    let new = cluster.leader_but(old).await;
    let again = cluster.nodes[new].shard().submit(say(7, "once")).await.expect("an outcome");
    let (Outcome::Committed { seq, time_us, .. }, Outcome::Committed { .. }) = (first, again) else {
        panic!("committed")
    };
    assert_eq!(again, Outcome::Committed { seq, time_us, repeated: true });
    let mut other = say(7, "once");
    other.content = text("twice");
    assert_eq!(cluster.submit(&other).await, Outcome::Refused(Refusal::RequestReused));
    assert_eq!(cluster.settled().await.voters.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_the_leader_says_who_is() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    cluster.settled().await;
    let leader = cluster.leader().await;
    let other = cluster.nodes[(leader + 1) % 3].shard();
    let known = other.wait_leadership(PATIENCE, |now| now.leader.is_some()).await.expect("a leader is known");
    assert_eq!(known.leader, Some(cluster.nodes[leader].info.id));
    let refused = other.submit(say(3, "x")).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(cluster.nodes[leader].info.id) }));
    assert!(other.read_index().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_recorded_then_counted_and_a_repeated_request_keeps_its_answer() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let invite = Action::Invite { room: ROOM, person: BEN, role: Role::Member };
    cluster.submit(&request(ANN, 2, invite, &Content::default())).await;
    let hello = request(BEN, 3, Action::SendMessage { room: ROOM }, &Content::text("hello"));
    let said = cluster.submit(&hello).await;
    let remove = Action::Remove { room: ROOM, person: BEN };
    cluster.submit(&request(ANN, 4, remove, &Content::default())).await;
    let Outcome::Committed { seq, time_us, .. } = said else { panic!("a member may speak") };
    assert_eq!(cluster.submit(&hello).await, Outcome::Committed { seq, time_us, repeated: true });
    let before = cluster.settled().await.record.size;
    for id in 0..u64::from(ONE_BY_ONE) + 20 {
        let more = request(BEN, 100 + id, Action::SendMessage { room: ROOM }, &Content::text("let me in"));
        assert_eq!(cluster.submit(&more).await, Outcome::Refused(Refusal::RoomUnknown));
    }
    assert_eq!(cluster.settled().await.record.size, before + u64::from(ONE_BY_ONE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_refusals_that_is_sent_again_is_recorded_once() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let before = cluster.settled().await.record.size;
    let report = |count| RefusalReport {
        person: BEN,
        room: None,
        reason: Refusal::InvalidAction,
        count,
        first_us: 1,
        last_us: 2,
    };
    let (one, two) = (RequestId::from_bytes([0xa1; 16]), RequestId::from_bytes([0xa2; 16]));
    let old = cluster.leader().await;
    let leader = cluster.nodes[old].shard();
    for request in [one, one, two] {
        leader.report_refusals(request, report(7)).await.expect("recorded");
    }
    assert_eq!(cluster.settled().await.record.size, before + 2);
    // The router heard nothing of it, and asks the next leader.
    let next = cluster.nodes[(old + 1) % 3].info.id;
    cluster.nodes[old].host().transfer_leader(SHARD, next).await.expect("handed over");
    let next = cluster.nodes[cluster.leader_but(old).await].shard();
    for request in [one, two] {
        next.report_refusals(request, report(7)).await.expect("recorded before");
    }
    assert_eq!(cluster.settled().await.record.size, before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counted_refusals_are_recorded_before_a_leadership_is_handed_over() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let before = cluster.settled().await.record.size;
    for id in 0..u64::from(ONE_BY_ONE) + 20 {
        let more = request(BEN, 100 + id, Action::SendMessage { room: ROOM }, &Content::text("let me in"));
        assert_eq!(cluster.submit(&more).await, Outcome::Refused(Refusal::RoomUnknown));
    }
    let old = cluster.leader().await;
    let next = cluster.nodes[(old + 1) % 3].info.id;
    cluster.nodes[old].host().transfer_leader(SHARD, next).await.expect("handed over");
    cluster.leader_but(old).await;
    assert_eq!(cluster.settled().await.record.size, before + u64::from(ONE_BY_ONE) + 1, "ten, and a count of twenty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_see_what_was_acknowledged_before() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let leader = cluster.nodes[cluster.leader().await].shard();
    for id in 10..30 {
        let seq = seq(leader.submit(say(id, "x")).await.expect("an outcome"));
        let seen = leader.read(|rows| read::room_view(rows, ANN, ROOM)).await.expect("a leader reads");
        assert!(seen.expect("Ann is in").head >= seq);
    }
    let many = futures_util::future::join_all((0..200).map(|_| leader.read_index())).await;
    assert!(many.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_is_a_group_like_the_others() {
    let cluster = Cluster::idle(1, Kind::Simulated, tuning()).await;
    let meta = cluster.nodes[0].host().start_meta().await.expect("meta starts");
    meta.initialize(cluster.infos(&[0])).await.expect("founded");
    meta.wait_leadership(PATIENCE, |now| now.serving).await.expect("serves");
    let id = ClusterId::from_bytes([9; 16]);
    let nodes = vec![MetaNode { id: 1, name: "n1".into(), site: "s1".into(), address: "n1:1".into() }];
    let action = MetaAction::Found { cluster: id, nodes, meta: vec![1], shards: vec![(SHARD, vec![1])] };
    let command = MetaCommand {
        request: RequestId::from_bytes([1; 16]),
        actor: PersonId::SYSTEM,
        stamp_us: 0,
        policy: 1,
        rule: 18,
        salt: Salt([0; 32]),
        action,
    };
    let outcome = meta.propose(command).await.expect("an outcome");
    assert!(!matches!(outcome, MetaOutcome::Refused(_)), "{outcome:?}");
    assert_eq!(meta.view().borrow().cluster, Some(id));
    assert_eq!(meta.status().record.size, 1);
}
