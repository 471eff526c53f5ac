//! What comes from outside and is wrong: a clear, typed error, and nobody else is harmed.

use hansard_proto::v1::{
    CreateRoomRequest, CreateRoomResponse, EditMessageRequest, EditMessageResponse, Follow, Hello, Ping, Visibility,
    connect_request::Frame as Up, connect_response::Frame as Down,
};

use crate::{
    both,
    harness::{Cluster, Conn, Over, PATIENCE, Person, Raw, hansard, metric, reason, request_id, shared},
};

both! {
    a_session_starts_with_hello_and_has_only_one,
    texts_over_the_limit_and_empty_ones_are_refused_by_name,
    bad_ids_and_names_are_refused_by_name,
    an_unknown_room_is_refused_on_every_call,
    an_unknown_method_is_refused,
    ten_thousand_follows_are_bounded_and_harm_nobody,
    an_oversized_frame_ends_only_its_session,
}

async fn a_session_starts_with_hello_and_has_only_one(over: Over) {
    let cluster = shared();
    let mut conn = Conn::open(over, &cluster.ready.routers[0]).await;
    conn.send(Up::Ping(Ping { nonce: 1 })).await;
    let mut said = String::new();
    loop {
        match conn.recv().await {
            Ok(frame) => said.push_str(&format!("{frame:?}")),
            Err(why) => break said.push_str(&why),
        }
    }
    assert!(said.contains("HELLO_EXPECTED"), "{said}");
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let again = Hello { token: cluster.token("alice"), ..Default::default() };
    alice.conn.send(Up::Hello(again)).await;
    let mut said = String::new();
    loop {
        match alice.conn.recv().await {
            Ok(frame) => said.push_str(&format!("{frame:?}")),
            Err(why) => break said.push_str(&why),
        }
    }
    assert!(said.contains("FRAME_OUT_OF_ORDER"), "{said}");
}

async fn texts_over_the_limit_and_empty_ones_are_refused_by_name(over: Over) {
    let mut alice = Person::connect(shared(), over, 0, "alice").await;
    let room = alice.create_room("limits", Visibility::Public).await.id;
    let long = alice.send_with(&request_id(), &room, &"x".repeat(16_385)).await.unwrap_err();
    assert_eq!(reason(&long.status.unwrap()), "TEXT_TOO_LONG");
    let empty = alice.send_with(&request_id(), &room, "").await.unwrap_err();
    assert_eq!(reason(&empty.status.unwrap()), "TEXT_EMPTY");
    let edit =
        EditMessageRequest { request_id: request_id(), room: room.clone(), target_seq: 99, text: "x".to_owned() };
    let refused: Result<EditMessageResponse, _> = alice.call("MessageService/EditMessage", &edit).await;
    assert_eq!(reason(&refused.unwrap_err()), "TARGET_UNKNOWN");
    assert_eq!(alice.say(&room, &"x".repeat(16_384)).await.seq, 2, "the limit itself is fine, and nothing was lost");
}

async fn bad_ids_and_names_are_refused_by_name(over: Over) {
    let mut alice = Person::connect(shared(), over, 0, "alice").await;
    let room = alice.create_room("ids", Visibility::Public).await.id;
    for bad in ["", "xyz", "0123"] {
        let refused = alice.send_with(bad, &room, "x").await.unwrap_err();
        assert_eq!(reason(&refused.status.unwrap()), "BAD_REQUEST_ID");
    }
    let refused = alice.send_with(&request_id(), "no-room", "x").await.unwrap_err();
    assert_eq!(reason(&refused.status.unwrap()), "BAD_ID");
    for name in ["", &"n".repeat(129), "a\u{7}b"] {
        let create = CreateRoomRequest { request_id: request_id(), name: name.to_owned(), ..Default::default() };
        let refused: Result<CreateRoomResponse, _> = alice.call("RoomService/CreateRoom", &create).await;
        assert_eq!(reason(&refused.unwrap_err()), "BAD_NAME");
    }
}

async fn an_unknown_room_is_refused_on_every_call(over: Over) {
    let mut alice = Person::connect(shared(), over, 0, "alice").await;
    let nowhere = "ffeeddccbbaa99887766554433221100";
    let refused = alice.send_with(&request_id(), nowhere, "anyone?").await.unwrap_err();
    assert_eq!(reason(&refused.status.unwrap()), "ROOM_UNKNOWN");
    alice.follow(nowhere, 0).await;
    assert_eq!(reason(&alice.unfollowed(nowhere).await.unwrap()), "ROOM_UNKNOWN");
}

async fn an_unknown_method_is_refused(over: Over) {
    let mut alice = Person::connect(shared(), over, 0, "alice").await;
    let refused: Result<CreateRoomResponse, _> =
        alice.call("RoomService/DestroyEverything", &CreateRoomRequest::default()).await;
    assert_eq!(reason(&refused.unwrap_err()), "METHOD_UNKNOWN");
}

async fn ten_thousand_follows_are_bounded_and_harm_nobody(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("crowd", Visibility::Public).await.id;
    let mut greedy = Person::connect(cluster, over, 0, "bob").await;
    for n in 0..10_000u32 {
        greedy.conn.send(Up::Follow(Follow { room: format!("{n:032x}"), ..Default::default() })).await;
        if n % 1_000 == 0 {
            alice.say(&room, "still here").await;
        }
    }
    let mut ended = 0;
    while ended < 10_000 {
        match greedy.conn.recv().await.expect("the session stands") {
            Down::Refusal(refusal) => {
                let why = reason(&refusal.status.expect("a status"));
                assert!(matches!(why.as_str(), "ROOM_UNKNOWN" | "TOO_MANY_FOLLOWS" | "RATE_LIMITED"), "{why}");
                ended += 1;
            }
            other => assert!(matches!(other, Down::Pong(_)), "{other:?}"),
        }
    }
}

async fn an_oversized_frame_ends_only_its_session(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("big", Visibility::Public).await.id;
    let mut big = Person::connect(cluster, over, 0, "bob").await;
    let huge = Hello { token: "x".repeat(8 << 20), ..Default::default() };
    big.conn.send(Up::Hello(huge)).await;
    big.conn.ended().await;
    alice.say(&room, "unharmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_and_truncated_websocket_messages_are_named() {
    // No JSON, an unknown field; a truncated length-delimited field, invalid UTF-8 in a string field.
    let json = ["{", r#"{"no_such_frame":{}}"#].map(|text| Raw::Text(text.to_owned()));
    let proto = [vec![0x12, 0x50, 0x0a], vec![0x12, 0x04, 0x1a, 0x02, 0xc3, 0x28]].map(Raw::Binary);
    for (over, malformed) in [(Over::WebSocketJson, json), (Over::WebSocketProto, proto)] {
        let mut alice = Person::connect(shared(), over, 0, "alice").await;
        for raw in malformed {
            alice.conn.send_raw(raw).await;
            let status = alice
                .frame(|frame| match frame {
                    Down::Refusal(refusal) => refusal.status.clone(),
                    _ => None,
                })
                .await;
            assert_eq!(reason(&status), "FRAME_MALFORMED");
        }
        let room = alice.create_room("still well", Visibility::Private).await.id;
        alice.say(&room, "and the session stands").await;
    }
}

#[test]
fn refusals_are_counted_in_metrics() {
    let cluster = shared();
    let output = cluster.try_run("alice", 0, &["send", "ffeeddccbbaa99887766554433221100", "anyone?"]);
    assert!(!output.status.success());
    let counted: u64 =
        cluster.ready.routers.iter().map(|router| metric(&router.metrics, "hansard_router_refusals_total")).sum();
    assert!(counted > 0, "no refusal was counted");
}

#[test]
fn a_data_directory_serves_one_node_at_a_time() {
    let cluster = crate::harness::Cluster::start(&["--nodes", "1", "--routers", "1"]);
    let data = &cluster.ready.nodes[0].data;
    let output = hansard()
        .args([
            "node",
            "--name",
            "node1",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--allow-plaintext",
        ])
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(said.contains("another") && said.contains("process"), "{said}");
    let second = hansard().arg("dev").arg("--data").arg(cluster.data()).output().unwrap();
    assert!(!second.status.success(), "two dev clusters on one directory");
}

#[test]
fn a_directory_of_another_cluster_is_refused() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "1"]);
    let mut other = Cluster::start(&["--nodes", "1", "--routers", "1"]);
    other.stop();
    let own = &cluster.ready.nodes[0];
    cluster.kill(own.pid);
    while std::fs::metadata(format!("/proc/{}", own.pid)).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::fs::rename(&own.data, own.data.with_extension("aside")).unwrap();
    std::fs::rename(&other.ready.nodes[0].data, &own.data).unwrap();
    let mut restart = hansard();
    let mut restart = restart.args(["dev", "restart", "node1", "--data"]).arg(cluster.data()).spawn().unwrap();
    let log = cluster.data().join("logs/node1.log");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log).unwrap().contains("belongs to another cluster") {
        assert!(std::time::Instant::now() < deadline, "{} says nothing of it", log.display());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = restart.kill();
    let _ = restart.wait();
}
