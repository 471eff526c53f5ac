//! Delivery: to members on other routers, and to clients that come back.

use std::{sync::Arc, time::Duration};

use hansard_proto::v1::Visibility;

use crate::{
    both,
    harness::{Over, Person, shared},
};

both! {
    a_message_reaches_members_on_the_other_router,
    a_client_that_returns_gets_each_missed_event_once_then_the_live_stream,
    cursors_splice_without_a_window_under_load,
    a_slow_reader_harms_nobody_and_misses_nothing,
    pipelined_sends_keep_their_order,
}

async fn a_message_reaches_members_on_the_other_router(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("offices", Visibility::Public).await.id;
    bob.join(&room).await;
    bob.follow(&room, 2).await;
    let acked = alice.say(&room, "hello, Denver").await;
    let event = bob.next_event(&room).await;
    assert_eq!((event.seq, event.text.as_str(), event.sender), (acked.seq, "hello, Denver", alice.id.clone()));
    assert_eq!(event.time, acked.time);
}

async fn a_client_that_returns_gets_each_missed_event_once_then_the_live_stream(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("return", Visibility::Public).await.id;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    bob.join(&room).await;
    bob.follow(&room, 0).await;
    bob.events(&room, 1, 2).await;
    drop(bob);
    for n in 3..=40 {
        alice.say(&room, &n.to_string()).await;
    }
    let mut bob = Person::resume(cluster, over, 0, "bob", &[(&room, 2)]).await;
    for n in 41..=60 {
        alice.say(&room, &n.to_string()).await;
    }
    let texts: Vec<String> = bob.events(&room, 3, 60).await.into_iter().map(|event| event.text).collect();
    assert_eq!(texts, (3..=60).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(bob.heard(&room).await.is_empty(), "nothing twice");
}

async fn cursors_splice_without_a_window_under_load(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = Arc::new(alice.create_room("splice", Visibility::Public).await.id);
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    bob.join(&room).await;
    const LAST: u64 = 402;
    let said = Arc::clone(&room);
    let talk = tokio::spawn(async move { while alice.say(&said, "on and on").await.seq < LAST {} });
    // Comes and goes while the room talks, each time from its cursor: each seq once, whatever the moment.
    let mut cursor = 0;
    let mut visit = 0;
    while cursor < LAST {
        visit += 1;
        let mut who = Person::resume(cluster, over, visit % 2, "bob", &[(&room, cursor)]).await;
        let until = (cursor + 40).min(LAST);
        who.events(&room, cursor + 1, until).await;
        cursor = until;
    }
    talk.await.unwrap();
}

async fn a_slow_reader_harms_nobody_and_misses_nothing(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("slow", Visibility::Public).await.id;
    let mut slow = Person::connect(cluster, over, 1, "bob").await;
    let mut quick = Person::connect(cluster, over, 1, "bob").await;
    slow.join(&room).await;
    slow.follow(&room, 0).await;
    quick.follow(&room, 0).await;
    let text = "x".repeat(12_000);
    const LAST: u64 = 800;
    for seq in 3..=LAST {
        // The quick one on the same router hears each before the next is said, while the slow one does not read at all:
        // some 9 MB, far beyond the socket's and the router's buffers.
        assert_eq!(alice.say(&room, &text).await.seq, seq);
        while quick.next_event(&room).await.seq < seq {}
    }
    tokio::time::timeout(Duration::from_secs(60), slow.events(&room, 1, LAST)).await.expect("it catches up");
}

async fn pipelined_sends_keep_their_order(over: Over) {
    use hansard_proto::v1::{Send, connect_request::Frame as Up, connect_response::Frame as Down};
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("pipeline", Visibility::Public).await.id;
    const MESSAGES: usize = 200;
    let ids: Vec<String> = (0..MESSAGES).map(|_| crate::harness::request_id()).collect();
    for (n, id) in ids.iter().enumerate() {
        alice.conn.send(Up::Send(Send { request_id: id.clone(), room: room.clone(), text: n.to_string() })).await;
    }
    for _ in 0..MESSAGES {
        alice.frame(|frame| matches!(frame, Down::Ack(_)).then_some(())).await;
    }
    alice.follow(&room, 1).await;
    let texts = alice.events(&room, 2, MESSAGES as u64 + 1).await.into_iter().map(|event| event.text);
    assert!(texts.eq((0..MESSAGES).map(|n| n.to_string())), "sent without waiting, stored in that order");
}
