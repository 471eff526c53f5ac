//! Pages of history that one person asks for in excess.

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hansard_proto::v1::connect_request::Frame as Ask;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Cursor, Follow};
use hansard_router::Rates;
use hansard_router::limits::{MAX_PAGES, PAGES_PER_PERSON};
use support::client::PATIENCE;
use support::{Carrier, Client, Stage, person};

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn followed(client: &mut Client) -> String {
    client.wait(|frame| if let Frame::Followed(followed) = frame { Some(followed.room) } else { None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_only_a_part_of_a_shards_pages_under_way() {
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let hers = alice.room("hers").await;
    let mut mallory = stage.client(Carrier::Grpc, "mallory").await;
    let mut rooms = Vec::new();
    for _ in 0..MAX_PAGES {
        rooms.push(mallory.room("r").await);
    }
    let mut sessions = Vec::new();
    for _ in 0..PAGES_PER_PERSON / MAX_PAGES + 2 {
        sessions.push(stage.client(Carrier::Proto, "mallory").await);
    }
    *stage.node.holds_pages_of.lock().unwrap() = Some(person("mallory"));
    for session in &mut sessions {
        for room in &rooms {
            session.say(Ask::Follow(Follow { room: room.clone(), ..Follow::default() })).await;
        }
    }
    eventually("as many pages as may be are under way", || stage.node.held() >= PAGES_PER_PERSON).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.node.held(), PAGES_PER_PERSON, "and no more");
    alice.follow(&hers, 0).await;
    stage.node.release_pages();
    for session in &mut sessions {
        for _ in &rooms {
            followed(session).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn following_a_room_over_and_over_asks_a_node_for_one_page_at_a_time() {
    let stage = Stage::new().await;
    let mut mallory = stage.client(Carrier::Grpc, "mallory").await;
    let room = mallory.room("r").await;
    *stage.node.holds_pages_of.lock().unwrap() = Some(person("mallory"));
    for _ in 0..500 {
        mallory.say(Ask::Follow(Follow { room: room.clone(), ..Follow::default() })).await;
    }
    // Frames are taken in order: with the pong all of them were.
    mallory.say(Ask::Ping(hansard_proto::v1::Ping { nonce: 1 })).await;
    mallory.wait(|frame| matches!(frame, Frame::Pong(_)).then_some(())).await;
    eventually("a page is under way", || stage.node.held() > 0).await;
    assert_eq!(stage.node.held(), 1);
    stage.node.release_pages();
    followed(&mut mallory).await;
    assert_eq!(mallory.event().await.seq, 1);
    assert_eq!(stage.node.pages.load(Ordering::SeqCst), 2, "one for the first follow and one for the last");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_with_more_rooms_than_the_rate_allows_gets_them_all() {
    let stage = Stage::with(Rates { session_per_second: 200, session_burst: 50, ..Rates::default() }).await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let mut rooms = Vec::new();
    for _ in 0..20 {
        rooms.push(alice.room("r").await);
    }
    let cursors = rooms.iter().map(|room| Cursor { room: room.clone(), after_seq: 0 }).collect();
    let mut back = Client::connect(Carrier::Json, &stage.router).await;
    back.hello_with(&stage.token("alice"), cursors).await;
    let mut got = Vec::new();
    while got.len() < rooms.len() {
        match back.frame().await {
            Frame::Followed(followed) => got.push(followed.room),
            Frame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    got.sort();
    rooms.sort();
    assert_eq!(got, rooms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_the_rings_have_no_room_for_misses_nothing() {
    // Whatever is pushed is dropped again at once: all of it comes by pages.
    let stage = Stage::with_rings(Rates::default(), 1).await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let rooms = [alice.room("r").await, alice.room("s").await];
    let mut followers = Vec::new();
    for carrier in Carrier::ALL {
        let mut follower = stage.client(carrier, "alice").await;
        for room in &rooms {
            follower.follow(room, 1).await;
        }
        followers.push(follower);
    }
    const SENDS: u64 = 100;
    for number in 0..SENDS {
        for room in &rooms {
            alice.send(room, &format!("text {number}")).await;
        }
    }
    for _ in 0..2 * SENDS {
        alice.ack().await;
    }
    for follower in &mut followers {
        let mut last = [1, 1];
        while last != [SENDS + 1; 2] {
            let event = follower.event().await;
            let at = rooms.iter().position(|room| *room == event.room).unwrap();
            last[at] += 1;
            assert_eq!(event.seq, last[at], "each once, in order");
        }
    }
}
