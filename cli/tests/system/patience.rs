//! What a router puts up with: clients that do not read, and nodes that say nothing.

use std::time::{Duration, Instant};

use hansard_proto::v1::{Send, Visibility, connect_request::Frame as Up, connect_response::Frame as Down};

use crate::{
    both,
    harness::{Cluster, Conn, Over, PATIENCE, Person, eventually, metric, ready, reason, request_id, shared},
};

both! {
    a_client_that_reads_nothing_for_30_s_is_cut_and_holds_nobody_up,
}

/// Sends under way at a time.
const BATCH: u64 = 32;

async fn a_client_that_reads_nothing_for_30_s_is_cut_and_holds_nobody_up(over: Over) {
    let cluster = shared();
    // A router for each protocol, so that each counts its own.
    let router = usize::from(over != Over::Grpc);
    let metrics = &cluster.ready.routers[router].metrics;
    let cut = || metric(metrics, "hansard_router_sessions_ended_total{reason=\"CLIENT_STALLED\"}");
    let before = cut();
    let mut alice = Person::connect(cluster, over, router, "alice").await;
    let room = alice.create_room("stalled", Visibility::Public).await.id;
    // Somebody of this test alone: whose soft state nobody else changes.
    let reader = format!("reader-{}", request_id());
    let mut stalled = Person::connect(cluster, over, router, &reader).await;
    let mut witness = Person::connect(cluster, over, router, &reader).await;
    stalled.join(&room).await;
    stalled.follow(&room, 0).await;
    witness.follow(&room, 0).await;
    witness.events(&room, 1, 2).await;
    // Some 16 MB: far beyond the buffers of sockets, protocols and the router.
    let (text, mut last) = ("x".repeat(16_000), 2);
    while last < 1_000 {
        for _ in 0..BATCH {
            let send = Send { request_id: request_id(), room: room.clone(), text: text.clone() };
            alice.conn.send(Up::Send(send)).await;
        }
        for _ in 0..BATCH {
            alice.frame(|frame| matches!(frame, Down::Ack(_)).then_some(())).await;
        }
        witness.events(&room, last + 1, last + BATCH).await;
        last += BATCH;
    }
    // From here on everything that could be read was; the thirty seconds have begun.
    let began = Instant::now();
    while cut() == before {
        assert!(began.elapsed() < PATIENCE, "it is never cut");
        let said = Instant::now();
        last = alice.say(&room, "still talking").await.seq;
        assert_eq!(witness.next_event(&room).await.seq, last);
        assert!(said.elapsed() < Duration::from_secs(5), "one that does not read holds others up");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    // What was on its way still comes, in order and without a hole; then the end. The rest comes after the cursor.
    let mut heard = 0;
    while let Ok(frame) = stalled.conn.recv().await {
        match frame {
            Down::Event(event) => {
                assert_eq!(event.seq, heard + 1);
                heard = event.seq;
            }
            Down::Reconnect(reconnect) => assert_eq!(reason(&reconnect.status.unwrap()), "CLIENT_STALLED"),
            other => assert!(matches!(other, Down::Followed(_)), "{other:?}"),
        }
    }
    assert!(heard < last, "it was cut before it had everything");
    let mut back = Person::resume(cluster, over, router, &reader, &[(&room, heard)]).await;
    back.events(&room, heard + 1, last).await;
}

/// Whether a hello is answered by a welcome; if not, why.
async fn admitted(cluster: &Cluster, token: &str) -> Result<(), String> {
    let conn = Conn::open(Over::WebSocketJson, &cluster.ready.routers[0]).await;
    Person::hello(conn, token.to_owned(), &[]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_hears_of_no_node_admits_nobody_after_10_s_and_closes_after_30_s() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "1"]);
    let token = cluster.token("alice");
    let grpc = Person::connect(&cluster, Over::Grpc, 0, "alice").await;
    let websocket = Person::connect(&cluster, Over::WebSocketJson, 0, "alice").await;
    for node in &cluster.ready.nodes {
        cluster.signal(node.pid, "STOP");
    }
    let silent = Instant::now();
    let closed = [grpc, websocket].map(|mut session| {
        tokio::spawn(async move {
            let leave = |frame: &Down| match frame {
                Down::Reconnect(reconnect) => reconnect.status.as_ref().map(reason),
                _ => None,
            };
            assert_eq!(session.frame(leave).await, "DIRECTORY_STALE");
            session.conn.ended().await;
            silent.elapsed()
        })
    });
    // The last news was at most a second old; who is known can come in on it for a while.
    let why = loop {
        match admitted(&cluster, &token).await {
            Ok(()) => assert!(silent.elapsed() < Duration::from_secs(15), "admitted on stale news"),
            Err(why) => break why,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(why.contains("DIRECTORY_STALE"), "{why}");
    assert!(silent.elapsed() > Duration::from_secs(7), "refused after {:?} of silence", silent.elapsed());
    for session in closed {
        let after = session.await.unwrap();
        assert!((25..40).contains(&after.as_secs()), "closed after {after:?} of silence");
    }
    for node in &cluster.ready.nodes {
        cluster.signal(node.pid, "CONT");
    }
    let deadline = Instant::now() + PATIENCE;
    while admitted(&cluster, &token).await.is_err() {
        assert!(Instant::now() < deadline, "nobody is admitted though the nodes are back");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eventually("the router is ready", || ready(&cluster.ready.routers[0].metrics)).await;
}
