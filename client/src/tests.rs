//! The client against a router in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hansard_proto::{status, v1::Reconnect};
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::{Client, ClientError, Config, Follow, Item, RequestId, Start, Token, fake::Fake};

const ROOM: &str = "00000000000000000000000000000001";
const OTHER: &str = "00000000000000000000000000000002";

async fn start() -> (Arc<Fake>, Client) {
    let (fake, url) = Fake::start().await;
    let client = Client::connect(Config::new([url], "token")).await.unwrap();
    (fake, client)
}

async fn next(follow: &mut Follow) -> Item {
    timeout(Duration::from_secs(10), follow.next()).await.expect("an item in time").expect("the follow goes on")
}

/// Reads items until seq `to` is covered; returns the seqs of events.
async fn read_to(follow: &mut Follow, to: u64) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.last() != Some(&to) {
        match next(follow).await {
            Item::Event(event) => seqs.push(event.seq),
            Item::Followed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    seqs
}

#[tokio::test]
async fn many_sends_at_once_each_get_their_own_seq() {
    let (fake, client) = start().await;
    let sends = (0..2_000).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.send(ROOM, format!("text {n}")).await.unwrap().seq })
    });
    let mut seqs = Vec::new();
    for send in sends.collect::<Vec<_>>() {
        seqs.push(send.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=2_000).collect::<Vec<_>>());
    assert_eq!(fake.events(ROOM).len(), 2_000);
    assert_eq!(client.stats().in_flight, 0);
    assert_eq!(client.person(), "p");
}

#[tokio::test]
async fn an_unknown_outcome_is_repeated_with_the_same_id() {
    let (fake, client) = start().await;
    fake.faults.lock().unwrap().unknown = 3;
    let receipt = client.send(ROOM, "hello").await.unwrap();
    assert_eq!((receipt.seq, receipt.attempts), (1, 4));
    assert_eq!(fake.events(ROOM).len(), 1);
}

#[tokio::test]
async fn a_lost_ack_doubles_nothing() {
    let (fake, client) = start().await;
    fake.faults.lock().unwrap().lost_acks = 3;
    let receipt = client.send(ROOM, "hello").await.unwrap();
    assert_eq!((receipt.seq, receipt.attempts), (1, 4));
    assert_eq!(client.send(ROOM, "again").await.unwrap().seq, 2);
    assert_eq!(fake.events(ROOM).len(), 2);
    assert_eq!(client.stats().sessions, 4);
}

#[tokio::test]
async fn refused_and_unknown_are_told_apart() {
    let (fake, client) = start().await;
    let refused = client.send(ROOM, "forbidden").await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(detail) if detail.reason == "NOT_ALLOWED"), "{refused}");
    fake.faults.lock().unwrap().silent = true;
    let id = RequestId::fresh();
    let deadline = Instant::now() + Duration::from_millis(200);
    let unknown = client.send_with(ROOM, "hello", id, deadline).await.unwrap_err();
    assert!(
        matches!(&unknown, ClientError::Unknown { request_id: Some(found), .. } if *found == id.to_string()),
        "{unknown}"
    );
    fake.faults.lock().unwrap().silent = false;
    let deadline = Instant::now() + Duration::from_secs(5);
    assert_eq!(client.send_with(ROOM, "hello", id, deadline).await.unwrap().seq, 1);
    assert_eq!(client.with_request_id(id).send(ROOM, "hello").await.unwrap().seq, 1);
    assert_eq!(client.send(ROOM, "hello").await.unwrap().seq, 2);
}

#[tokio::test]
async fn calls_are_answered_or_refused() {
    let (_fake, client) = start().await;
    assert_eq!(client.room(ROOM).await.unwrap().id, ROOM);
    let refused = client.cluster_status().await.unwrap_err();
    assert_eq!(refused.reason(), Some("METHOD_UNKNOWN"));
}

#[tokio::test]
async fn a_bad_token_is_said_at_once() {
    let (fake, url) = Fake::start().await;
    fake.faults.lock().unwrap().token = Some("other".into());
    let begun = Instant::now();
    let error = Client::connect(Config::new([url], "token")).await.err().unwrap();
    assert!(matches!(&error, ClientError::Unauthenticated(detail) if detail.reason == "TOKEN_EXPIRED"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let mut config = Config::new(["http://127.0.0.1:1"], "token");
    config.connect_deadline = Duration::from_millis(300);
    let error = Client::connect(config).await.err().unwrap();
    assert!(matches!(&error, ClientError::Unreachable(why) if why.contains("127.0.0.1:1")), "{error}");
    let error = Client::connect(Config::new(Vec::<String>::new(), "token")).await.err().unwrap();
    assert!(matches!(error, ClientError::Invalid(_)));
}

#[tokio::test]
async fn an_ended_token_ends_a_fixed_client_and_renews_a_provided_one() {
    let (fake, url) = Fake::start().await;
    let fixed = Client::connect(Config::new([url.clone()], "t1")).await.unwrap();
    let drawn = Arc::new(AtomicU32::new(0));
    let counter = drawn.clone();
    let provide = move || -> crate::TokenFuture {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Ok(format!("t{number}")) })
    };
    let mut config = Config::new([url], "");
    config.token = Token::Provider(Arc::new(provide));
    let renewed = Client::connect(config).await.unwrap();
    fake.faults.lock().unwrap().token = Some("t2".into());
    let status = Some(status::new(Code::Unauthenticated, "TOKEN_EXPIRED", "expired"));
    fake.cut(Some(Reconnect { status, ..Reconnect::default() }));
    assert_eq!(renewed.send(ROOM, "still here").await.unwrap().seq, 1);
    assert_eq!(drawn.load(Ordering::SeqCst), 2);
    let error = fixed.send(ROOM, "gone").await.unwrap_err();
    assert!(matches!(error, ClientError::Unauthenticated(_) | ClientError::Unknown { .. }), "{error}");
    assert!(matches!(fixed.ended(), Some(ClientError::Unauthenticated(_))));
}

#[tokio::test]
async fn a_reconnect_hint_is_followed() {
    let (first, client) = start().await;
    let (second, address) = Fake::start().await;
    first.cut(Some(Reconnect { address, ..Reconnect::default() }));
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.send(ROOM, "moved").await.unwrap();
    assert_eq!((first.events(ROOM).len(), second.events(ROOM).len()), (0, 1));
}

#[tokio::test]
async fn a_follow_is_whole_across_cuts_and_doubles() {
    let (fake, client) = start().await;
    fake.faults.lock().unwrap().doubles = true;
    let mut follow = client.follow(ROOM, Start::After(0)).unwrap();
    let writer = tokio::spawn({
        let fake = fake.clone();
        async move {
            for n in 0..500 {
                fake.commit(&format!("r{n}"), ROOM, "x");
                if n % 100 == 50 {
                    fake.cut(None);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    assert_eq!(read_to(&mut follow, 500).await, (1..=500).collect::<Vec<_>>());
    writer.await.unwrap();
    let stats = client.stats();
    assert!(stats.doubles > 0 && stats.holes == 0 && stats.sessions > 1, "{stats:?}");
    assert!(fake.hellos().last().unwrap().cursors[0].after_seq > 0);
}

#[tokio::test]
async fn a_hole_is_reported_and_a_gap_handed_on() {
    let (fake, client) = start().await;
    for n in 0..6 {
        fake.commit(&format!("r{n}"), ROOM, "x");
    }
    fake.faults.lock().unwrap().gap_to = 2;
    fake.faults.lock().unwrap().hole = Some(4);
    let mut follow = client.follow(ROOM, Start::After(0)).unwrap();
    assert!(matches!(next(&mut follow).await, Item::Followed { after_seq: 0, head_seq: 6 }));
    assert!(matches!(next(&mut follow).await, Item::Gap(gap) if gap.to_seq == 1));
    assert!(matches!(next(&mut follow).await, Item::Gap(gap) if gap.to_seq == 2));
    assert!(matches!(next(&mut follow).await, Item::Event(event) if event.seq == 3));
    assert!(matches!(next(&mut follow).await, Item::Hole { from_seq: 4, to_seq: 4, .. }));
    assert_eq!(read_to(&mut follow, 6).await, [5, 6]);
    assert_eq!(client.stats().holes, 1);
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_loses_nothing() {
    let (fake, url) = Fake::start().await;
    let mut config = Config::new([url], "token");
    config.follow_buffer = 8;
    let client = Client::connect(config).await.unwrap();
    let mut slow = client.follow(ROOM, Start::After(0)).unwrap();
    let mut quick = client.follow(OTHER, Start::After(0)).unwrap();
    for n in 0..300 {
        fake.commit(&format!("a{n}"), ROOM, "x");
        fake.commit(&format!("b{n}"), OTHER, "x");
    }
    assert_eq!(read_to(&mut quick, 300).await.len(), 300);
    assert!(client.send(OTHER, "not held up").await.is_ok());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(read_to(&mut slow, 300).await, (1..=300).collect::<Vec<_>>());
    assert!(client.stats().pauses > 0 && client.stats().holes == 0, "{:?}", client.stats());
}

#[tokio::test]
async fn a_follow_from_now_keeps_its_place() {
    let (fake, client) = start().await;
    fake.commit("r1", ROOM, "before");
    let mut follow = client.follow(ROOM, Start::Now).unwrap();
    assert!(matches!(next(&mut follow).await, Item::Followed { after_seq: 1, .. }));
    fake.cut(None);
    fake.commit("r2", ROOM, "after");
    assert_eq!(read_to(&mut follow, 2).await, [2]);
}

#[tokio::test]
async fn a_refused_follow_ends_with_its_reason() {
    let (_fake, client) = start().await;
    let mut follow = client.follow("ffffffffffffffffffffffffffffffff", Start::After(0)).unwrap();
    let Item::Ended(error) = next(&mut follow).await else { panic!("it goes on") };
    assert_eq!(error.reason(), Some("ROOM_UNKNOWN"));
    assert!(follow.next().await.is_none());
    assert!(matches!(client.follow("x", Start::Now), Err(ClientError::Invalid(_))));
}

#[tokio::test]
async fn more_rooms_than_a_hello_carries_are_all_resumed() {
    let (fake, client) = start().await;
    let rooms: Vec<_> = (0..1_500).map(|n| format!("{n:032x}")).collect();
    let mut follows: Vec<_> = rooms.iter().map(|room| client.follow(room, Start::After(0)).unwrap()).collect();
    assert!(matches!(client.follow(&rooms[0], Start::Now), Err(ClientError::Invalid(_))));
    fake.cut(None);
    for room in &rooms {
        fake.commit(&format!("r{room}"), room, "x");
    }
    for follow in &mut follows {
        assert_eq!(read_to(follow, 1).await, [1]);
    }
    assert_eq!(fake.hellos().last().unwrap().cursors.len(), 1_000);
}

#[tokio::test]
async fn a_silent_router_is_left() {
    let (fake, url) = Fake::start().await;
    fake.faults.lock().unwrap().mute = true;
    let client = Client::connect(Config::new([url], "token")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(client.stats().sessions >= 2, "{:?}", client.stats());
}

#[tokio::test]
async fn closing_fails_what_is_under_way() {
    let (fake, client) = start().await;
    fake.faults.lock().unwrap().silent = true;
    let mut follow = client.follow(ROOM, Start::After(0)).unwrap();
    next(&mut follow).await;
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.send(ROOM, "x").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.close();
    assert!(matches!(sending.await.unwrap(), Err(ClientError::Unknown { .. })));
    assert!(matches!(next(&mut follow).await, Item::Ended(ClientError::Closed)));
    assert!(matches!(client.send(ROOM, "y").await, Err(ClientError::Closed)));
}
