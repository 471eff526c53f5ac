//! Feeds: every entry once, in order, whoever dies and however slow the reader is.

use std::{sync::Arc, time::Duration};

use hansard_domain::{Action, PersonId, RequestId, RoomId};
use hansard_proto::{cluster::v1::RoomFeed, convert, reason, status};

use crate::{
    harness::Cluster,
    link::Link,
    router::{Router, draw, text},
};

const ALICE: PersonId = PersonId::from_bytes([1; 16]);
const SECOND: Duration = Duration::from_secs(1);

/// Follows a room like a router's hub: by seq, at whoever leads, until it has seen `last`.
async fn follow(router: &Router, room: RoomId, last: u64, slow: bool) -> Vec<u64> {
    let shard = router.shard_of(room).await;
    let mut seen: Vec<u64> = Vec::new();
    while seen.last() != Some(&last) {
        let leader = router.leader(shard).await;
        let opened = match leader {
            Some(leader) => Link::open_as(&leader.address, "follower").await.ok(),
            None => None,
        };
        let Some(link) = opened else {
            tokio::time::sleep(SECOND / 10).await;
            continue;
        };
        link.subscribe(room, shard, Some(seen.last().copied().unwrap_or(0))).await;
        while seen.last() != Some(&last) {
            let Some(feed) = link.feed(SECOND * 3).await else { break };
            assert_eq!(feed.room, convert::bytes(room));
            seen.extend(feed.entries.iter().map(|entry| entry.seq));
            if slow {
                tokio::time::sleep(SECOND / 50).await;
            }
            if feed.ended.is_some() {
                break;
            }
        }
        tokio::time::sleep(SECOND / 10).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_has_every_entry_once_while_its_leader_is_killed() {
    let mut cluster = Cluster::start(3).await;
    let router = Arc::new(Router::new(&cluster));
    let room = router.create_room(ALICE).await;
    let shard = router.shard_of(room).await;
    const LAST: u64 = 301;
    let followers: Vec<_> = (0..3)
        .map(|at| {
            let router = router.clone();
            tokio::spawn(async move { follow(&router, room, LAST, at == 0).await })
        })
        .collect();
    for seq in 2..=LAST {
        assert_eq!(router.say(ALICE, room, &format!("message {seq}")).await, seq, "acked once, in order");
        if seq == 100 {
            let leader = router.leader(shard).await.unwrap();
            let at = (0..3).find(|at| cluster.address(*at) == leader.address).unwrap();
            cluster.kill(at).await;
        }
    }
    for follower in followers {
        assert_eq!(follower.await.unwrap(), (1..=LAST).collect::<Vec<_>>());
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_that_does_not_read_lags_and_catches_up_without_hole_or_double() {
    let cluster = Cluster::start(1).await;
    let router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    let shard = router.shard_of(room).await;
    let link = Link::open_as(&cluster.address(0), "slow").await.unwrap();
    link.subscribe(room, shard, Some(0)).await;
    let feeds = link.feeds.lock().await;
    // Far more than the windows and queues on the way hold, while nobody reads.
    let long = "x".repeat(16_000);
    const LAST: u64 = 2_501;
    let mut waiting = Vec::new();
    let near = router.link(&cluster.address(0)).await.unwrap();
    for _ in 2..=LAST {
        let request = RequestId::from_bytes(draw());
        let call = convert::propose(request, &Action::SendMessage { room }, text(&long)).unwrap();
        let (near, epoch) = (near.clone(), 1);
        waiting.push(tokio::spawn(async move {
            let call = hansard_proto::cluster::v1::node_call::Call::Propose(call);
            loop {
                match near.call(shard, epoch, crate::router::principal(ALICE), call.clone()).await {
                    Err(error) if status::has_reason(&error, reason::OVERLOADED) => {
                        tokio::time::sleep(SECOND / 20).await
                    }
                    answer => return answer,
                }
            }
        }));
        if waiting.len() == 250 {
            for sent in waiting.drain(..) {
                sent.await.unwrap().unwrap();
            }
        }
    }
    for sent in waiting {
        sent.await.unwrap().unwrap();
    }
    drop(feeds);
    let mut seen: Vec<u64> = Vec::new();
    while seen.last() != Some(&LAST) {
        let feed = link.feed(SECOND * 20).await.expect("the feed goes on");
        seen.extend(feed.entries.iter().map(|entry| entry.seq));
    }
    assert_eq!(seen, (1..=LAST).collect::<Vec<_>>());
    assert_eq!(router.say(ALICE, room, "live again").await, LAST + 1);
    let live = link.feed(SECOND * 10).await.unwrap();
    assert_eq!(live.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [LAST + 1]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscriptions_elsewhere_or_of_nothing_end_and_say_why() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    let shard = router.shard_of(room).await;
    let leader = router.leader(shard).await.unwrap();
    let elsewhere = (0..3).map(|at| cluster.address(at)).find(|address| *address != leader.address).unwrap();
    let ended = |feed: RoomFeed| feed.ended.expect("it ended");
    let link = Link::open(&elsewhere).await.unwrap();
    link.subscribe(room, shard, None).await;
    let why = ended(link.feed(SECOND * 5).await.unwrap());
    assert_eq!(status::reason_of(&why).unwrap(), reason::NOT_LEADER);
    assert_eq!(status::info_of(&why).unwrap().metadata["leader"], leader.id.to_string());

    let link = Link::open(&leader.address).await.unwrap();
    link.subscribe(RoomId::from_bytes([0xee; 16]), shard, None).await;
    let why = ended(link.feed(SECOND * 5).await.unwrap());
    assert_eq!(status::reason_of(&why).unwrap(), "ROOM_UNKNOWN");

    link.subscribe(room, shard, None).await;
    let stands = link.feed(SECOND * 5).await.unwrap();
    assert_eq!(stands.subscribed.unwrap().after_seq, 1, "from now on, after the room's creation");
    router.say(ALICE, room, "hello").await;
    assert_eq!(link.feed(SECOND * 5).await.unwrap().entries[0].seq, 2);
    cluster.shutdown().await;
}
