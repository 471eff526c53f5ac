use std::time::{Duration, Instant};

use hansard_domain::{Action, Content, Outcome};

use super::cluster::{ANN, BEN, Cluster, PATIENCE, ROOM, SHARD, create, request, say, seq, tuning};
use crate::raft::test_store::Kind;
use crate::shard::refusals::ONE_BY_ONE;
use crate::shard::{MembershipError, ReadError};

/// Sends so many messages, one after another, and returns their seqs.
async fn talk(cluster: &Cluster, ids: std::ops::Range<u64>) -> Vec<u64> {
    let mut seqs = Vec::new();
    for id in ids {
        seqs.push(seq(cluster.submit(&say(id, "a word")).await));
    }
    seqs
}

async fn kill_and_restart(kind: Kind) {
    let mut cluster = Cluster::with_room(kind, tuning()).await;
    assert_eq!(talk(&cluster, 100..140).await, (2..42).collect::<Vec<_>>());
    let dead = cluster.leader().await;
    cluster.kill(dead).await;
    assert_eq!(talk(&cluster, 140..180).await, (42..82).collect::<Vec<_>>());
    // A retry of what the dead leader had acknowledged is known to the new one.
    assert!(matches!(cluster.submit(&say(139, "a word")).await, Outcome::Committed { seq: 41, repeated: true, .. }));
    cluster.revive(dead).await;
    assert_eq!(talk(&cluster, 180..190).await, (82..92).collect::<Vec<_>>());
    let status = cluster.settled().await;
    assert_eq!(status.record.size, 91);
    // All at once, as when the power fails.
    for index in 0..3 {
        cluster.kill(index).await;
    }
    for index in 0..3 {
        cluster.revive(index).await;
    }
    cluster.leader().await;
    let after = cluster.settled().await;
    assert_eq!((after.record.size, after.record.root), (91, status.record.root));
    let page = cluster.nodes[cluster.leader().await].shard();
    let view = page.read(|rows| hansard_domain::read::room_view(rows, ANN, ROOM)).await.expect("a leader reads");
    assert_eq!(view.expect("Ann is in").head, 91);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_nodes_lose_nothing_on_the_simulated_store() {
    kill_and_restart(Kind::Simulated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_nodes_lose_nothing_on_the_real_store() {
    kill_and_restart(Kind::Real).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_stops_serving_and_another_takes_over() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let cut = cluster.leader().await;
    let old = cluster.nodes[cut].shard();
    cluster.net.cut(&cluster.nodes[cut].info.address);
    let refused = old.read_index().await;
    assert!(matches!(refused, Err(ReadError::NoQuorum | ReadError::NotLeader { .. })), "{refused:?}");
    let lost = old.wait_leadership(Duration::from_secs(10), |now| !now.serving).await;
    assert!(lost.is_ok(), "it knows by itself");
    let new = cluster.leader_but(cut).await;
    assert_eq!(seq(cluster.nodes[new].shard().submit(say(50, "on we go")).await.expect("an outcome")), 2);
    cluster.net.heal(&cluster.nodes[cut].info.address);
    let status = cluster.settled().await;
    assert_eq!(status.record.size, 2);
    assert_ne!(old.leadership().borrow().leader, Some(cluster.nodes[cut].info.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_refused_often_is_not_refused_by_a_leader_that_no_quorum_confirms() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let cut = cluster.leader().await;
    let old = cluster.nodes[cut].shard();
    let by_ben = |id| request(BEN, id, Action::SendMessage { room: ROOM }, &Content::text("let me in"));
    // The first ones of a minute are recorded, so that only a leader can tell them; the others are counted.
    for id in 0..=u64::from(ONE_BY_ONE) + 1 {
        let outcome = old.submit(by_ben(id + 100)).await;
        assert!(matches!(outcome, Ok(Outcome::Refused(_))), "{outcome:?}");
    }
    cluster.net.cut(&cluster.nodes[cut].info.address);
    let outcome = old.submit(by_ben(200)).await;
    assert!(outcome.is_err(), "it knows nothing for sure: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lacks_entries_is_behind_and_is_handed_no_leadership() {
    let mut cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    let (id, address) = (cluster.nodes[away].info.id, cluster.nodes[away].info.address.clone());
    cluster.kill(away).await;
    talk(&cluster, 100..300).await;
    assert_eq!(cluster.leader().await, leader);
    cluster.net.cut(&address);
    cluster.revive(away).await;
    let back = cluster.nodes[away].shard();
    assert!(back.is_behind(64), "it has not heard what there is");
    let shard = cluster.nodes[leader].shard();
    let handed = shard.transfer_leader(id).await;
    assert!(matches!(handed, Err(MembershipError::Behind { .. })), "{handed:?}");
    assert_eq!(seq(cluster.submit(&say(300, "it leads on")).await), 202);
    cluster.net.heal(&address);
    cluster.settled().await;
    let until = Instant::now() + PATIENCE;
    while back.is_behind(64) {
        assert!(Instant::now() < until, "it has all, and does not know it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_never_heard_from_is_handed_no_leadership_however_short_the_log_is() {
    let cluster = Cluster::idle(3, Kind::Simulated, tuning()).await;
    for node in &cluster.nodes[..2] {
        node.host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    let handed = cluster.nodes[cluster.leader().await].shard().transfer_leader(cluster.nodes[2].info.id).await;
    assert!(matches!(handed, Err(MembershipError::Behind { .. })), "{handed:?}");
}

/// The room's newest seq as a replica has it, if it is no older than that; the leader is asked if need be.
async fn head_within(cluster: &Cluster, replica: usize, leader: usize, age: Duration) -> Result<u64, ReadError> {
    let (replica, leader) = (cluster.nodes[replica].shard(), cluster.nodes[leader].shard());
    let asked = async {
        leader.read_index().await.ok()?;
        Some(leader.progress().applied().borrow().1)
    };
    let told = replica.age_within(age, asked).await?;
    assert!(told <= age);
    let view = replica.read_applied(|rows| hansard_domain::read::room_view(rows, ANN, ROOM)).await?;
    Ok(view.expect("Ann is in").head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_shows_what_is_no_older_than_was_allowed() {
    const MINUTE: Duration = Duration::from_secs(60);
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let head = async |age| head_within(&cluster, follower, leader, age).await;
    let sent = *talk(&cluster, 50..60).await.last().expect("ten");
    assert_eq!(head(MINUTE).await.expect("it asked"), sent, "all that was acknowledged before it asked");
    cluster.net.cut(&cluster.nodes[follower].info.address);
    let more = *talk(&cluster, 60..70).await.last().expect("ten");
    assert_eq!(head(MINUTE).await.expect("it need not ask"), sent, "a minute has not passed");
    // The leader says how far it has come, and that the follower never hears of.
    let behind = head(Duration::from_nanos(1)).await;
    assert!(matches!(behind, Err(ReadError::NotLeader { .. })), "{behind:?}");
    cluster.net.heal(&cluster.nodes[follower].info.address);
    cluster.settled().await;
    assert_eq!(head(MINUTE).await.expect("it has caught up"), more, "its rows, though it knows of no younger age");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_not_hosted_holds_up_no_other() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let leader = cluster.leader().await;
    cluster.nodes[(leader + 1) % 3].host().stop(SHARD).await.expect("stops");
    let started = Instant::now();
    assert_eq!(talk(&cluster, 60..70).await, (2..12).collect::<Vec<_>>());
    assert!(started.elapsed() < Duration::from_secs(10), "two of three go on: {:?}", started.elapsed());
    cluster.nodes[(leader + 1) % 3].host().start(SHARD).await.expect("starts again");
    assert_eq!(cluster.settled().await.record.size, 11);
}
