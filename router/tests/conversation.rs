//! People talk through a router, over gRPC, over WebSocket with JSON, and over WebSocket with protobuf.

mod support;

use std::time::Duration;

use hansard_proto::cluster::v1::Directory;
use hansard_proto::status;
use hansard_proto::v1::connect_request::Frame as Ask;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::*;
use support::client::request_id;
use support::{Carrier, Client, FakeNode, Stage, node, person};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk() {
    let stage = Stage::new().await;
    for carrier in Carrier::ALL {
        let mut alice = stage.client(carrier, "alice").await;
        let mut bob = stage.client(carrier, "bob").await;
        let room = alice.room("lobby").await;
        let join = JoinRoomRequest { request_id: request_id(), room: room.clone() };
        let joined: JoinRoomResponse = bob.call("hansard.v1.RoomService/JoinRoom", &join).await.unwrap();
        assert_eq!(joined.commit.unwrap().seq, 2);
        let followed = bob.follow(&room, 0).await;
        assert_eq!((followed.after_seq, followed.head_seq), (0, 2), "{carrier:?}");
        for number in 0..20 {
            alice.send(&room, &format!("text {number} äöü \"quoted\"")).await;
        }
        for number in 0..20 {
            let ack = alice.ack().await;
            assert_eq!((ack.seq, ack.room.as_str()), (3 + number, room.as_str()));
        }
        let kinds: Vec<_> = [bob.event().await, bob.event().await].map(|event| event.kind).into();
        assert_eq!(kinds, ["room_created", "joined"]);
        for number in 0..20 {
            let event = bob.event().await;
            assert_eq!((event.seq, event.kind.as_str()), (3 + number, "message"), "{carrier:?}");
            assert_eq!(event.text, format!("text {number} äöü \"quoted\""));
            assert_eq!(event.sender, person("alice").to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_looked_up_gets_no_id() {
    let stage = Stage::new().await;
    let method = "hansard.v1.PersonService/ResolvePerson";
    let named = |subject: &str, only_known| ResolvePersonRequest {
        request_id: request_id(),
        subject: subject.to_owned(),
        only_known,
    };
    for carrier in Carrier::ALL {
        let mut alice = stage.client(carrier, "alice").await;
        let refused = alice.call::<_, ResolvePersonResponse>(method, &named("bbo", true)).await.unwrap_err();
        assert!(status::has_reason(&refused, "PERSON_UNKNOWN"), "{carrier:?}: {refused:?}");
        let found: ResolvePersonResponse = alice.call(method, &named("alice", true)).await.unwrap();
        assert_eq!(found.person.unwrap().id, person("alice").to_string());
        let new = format!("new {carrier:?}");
        let drawn: ResolvePersonResponse = alice.call(method, &named(&new, false)).await.unwrap();
        let found: ResolvePersonResponse = alice.call(method, &named(&new, true)).await.unwrap();
        assert_eq!(found, drawn);
    }
    assert!(!stage.node.world.lock().unwrap().people.contains_key(&person("bbo")));
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_resume_without_loss_or_doubles() {
    let stage = Stage::new().await;
    let other = stage.another_router().await;
    stage.admitted_by(&other).await;
    for carrier in Carrier::ALL {
        let mut alice = stage.client(carrier, "alice").await;
        let room = alice.room("r").await;
        let cursor = Cursor { room: room.clone(), after_seq: 0 };
        let mut reader = stage.client(carrier, "alice").await;
        reader.follow(&room, 0).await;
        let mut last = 0;
        for round in 0..3_u64 {
            for _ in 0..30 {
                alice.send(&room, "x").await;
            }
            while last < 1 + round * 30 + 10 {
                last += 1;
                assert_eq!(reader.event().await.seq, last);
            }
            drop(reader);
            reader = Client::connect(carrier, if round == 1 { &other } else { &stage.router }).await;
            reader.hello_with(&stage.token("alice"), vec![Cursor { after_seq: last, ..cursor.clone() }]).await;
        }
        while last < 91 {
            last += 1;
            assert_eq!(reader.event().await.seq, last);
        }
    }
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_person_gets_nothing_after_the_removal() {
    let stage = Stage::new().await;
    for carrier in Carrier::ALL {
        let mut alice = stage.client(carrier, "alice").await;
        let mut bob = stage.client(carrier, "bob").await;
        let room = alice.room("r").await;
        let bob_id = person("bob").to_string();
        let invite =
            InviteMemberRequest { request_id: request_id(), room: room.clone(), person: bob_id.clone(), role: 0 };
        let _: InviteMemberResponse = alice.call("hansard.v1.RoomService/InviteMember", &invite).await.unwrap();
        bob.follow(&room, 0).await;
        let gap = bob.wait(|frame| if let Frame::Gap(gap) = frame { Some(gap) } else { None }).await;
        assert_eq!((gap.from_seq, gap.to_seq, gap.reason()), (1, 1, GapReason::BeforeMembership));
        assert_eq!(bob.event().await.kind, "invited");
        let remove =
            RemoveMemberRequest { request_id: request_id(), room: room.clone(), person: bob_id, reason: "x".into() };
        let _: RemoveMemberResponse = alice.call("hansard.v1.RoomService/RemoveMember", &remove).await.unwrap();
        alice.send(&room, "secret").await;
        alice.ack().await;
        let removed = bob.event().await;
        assert_eq!((removed.kind.as_str(), removed.seq, removed.reason.as_str()), ("removed", 3, "x"));
        match bob.frame().await {
            Frame::Unfollowed(end) => assert!(status::has_reason(&end.status.unwrap(), "MEMBERSHIP_ENDED")),
            other => panic!("{other:?}"),
        }
        bob.follow(&room, 0).await;
        let replayed = bob.wait(|frame| match frame {
            Frame::Event(event) if event.kind == "removed" => Some(event.seq),
            Frame::Event(event) if event.text == "secret" => panic!("{event:?}"),
            _ => None,
        });
        assert_eq!(replayed.await, 3);
        assert!(matches!(bob.frame().await, Frame::Unfollowed(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_links_and_moved_leaders_lose_nothing() {
    use std::sync::atomic::Ordering;
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let room = alice.room("r").await;
    alice.follow(&room, 1).await;
    for round in 0..6_u64 {
        match round % 3 {
            0 => stage.node.not_leader.store(2, Ordering::SeqCst),
            1 => stage.node.swallow.store(1, Ordering::SeqCst),
            _ => stage.node.break_links(),
        }
        alice.send(&room, "x").await;
        let (mut acked, mut seen) = (None, None);
        while acked.is_none() || seen.is_none() {
            match alice.frame().await {
                Frame::Ack(ack) => acked = Some(ack.seq),
                Frame::Event(event) => seen = Some(event.seq),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((acked, seen), (Some(round + 2), Some(round + 2)), "a retry has no second effect");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_turned_away_after_a_try_in_doubt_is_unknown_not_refused() {
    use std::sync::atomic::Ordering;
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let room = alice.room("r").await;
    stage.node.turn_away.store(1, Ordering::SeqCst);
    alice.send(&room, "never done").await;
    assert_eq!(alice.refusal().await, "OVERLOADED");
    // Carried out, but the answer is lost; the next try is turned away.
    stage.node.swallow.store(1, Ordering::SeqCst);
    stage.node.turn_away.store(1, Ordering::SeqCst);
    alice.send(&room, "done").await;
    assert_eq!(alice.refusal().await, "OUTCOME_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_presence_and_read_marks_reach_others() {
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Json, "alice").await;
    let mut phone = stage.client(Carrier::Proto, "alice").await;
    let mut bob = stage.client(Carrier::Grpc, "bob").await;
    let room = alice.room("r").await;
    let join = JoinRoomRequest { request_id: request_id(), room: room.clone() };
    let _: JoinRoomResponse = bob.call("hansard.v1.RoomService/JoinRoom", &join).await.unwrap();
    alice.follow(&room, 2).await;
    bob.follow(&room, 2).await;
    alice.say(Ask::Typing(SetTyping { room: room.clone() })).await;
    let typing = bob.wait(|frame| if let Frame::Typing(typing) = frame { Some(typing) } else { None }).await;
    assert_eq!(typing, Typing { room: room.clone(), person: person("alice").to_string() });
    let availability = Availability::Busy.into();
    alice.say(Ask::Presence(SetPresence { availability, answer_at: None })).await;
    let presence = |frame| if let Frame::Presence(presence) = frame { Some(presence) } else { None };
    let busy = bob.wait(presence).await;
    assert_eq!((busy.person.clone(), busy.availability()), (person("alice").to_string(), Availability::Busy));
    alice.say(Ask::ReadMark(SetReadMark { request_id: request_id(), room: room.clone(), seq: 2 })).await;
    assert_eq!(alice.ack().await.seq, 2);
    let mark = phone.wait(|frame| if let Frame::ReadMark(mark) = frame { Some(mark) } else { None }).await;
    assert_eq!(mark, ReadMark { room, seq: 2 });
    drop(phone);
    drop(alice);
    assert_eq!(bob.wait(presence).await.availability(), Availability::Offline);
}

/// Presence is told when it changes: who is seen in a room only later, on a page or live, is told of then.
#[tokio::test(flavor = "multi_thread")]
async fn presence_from_before_somebody_was_seen_in_the_room_is_told() {
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Json, "alice").await;
    let mut bob = stage.client(Carrier::Grpc, "bob").await;
    let mut carol = stage.client(Carrier::Proto, "carol").await;
    let of_bob = |frame| match frame {
        Frame::Presence(presence) if presence.person == person("bob").to_string() => Some(presence.availability()),
        _ => None,
    };
    bob.say(Ask::Presence(SetPresence { availability: Availability::Busy.into(), answer_at: None })).await;
    let room = alice.room("r").await;
    alice.follow(&room, 0).await;
    for client in [&mut bob, &mut carol] {
        let join = JoinRoomRequest { request_id: request_id(), room: room.clone() };
        let _: JoinRoomResponse = client.call("hansard.v1.RoomService/JoinRoom", &join).await.unwrap();
    }
    assert_eq!(alice.wait(of_bob).await, Availability::Busy, "seen live");
    drop(alice);
    carol.follow(&room, 0).await;
    assert_eq!(carol.wait(of_bob).await, Availability::Busy, "seen on a page");
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_that_changes_all_the_time_is_passed_on_once_a_second() {
    let stage = Stage::new().await;
    let other = stage.another_router().await;
    stage.admitted_by(&other).await;
    let mut alice = stage.client(Carrier::Json, "alice").await;
    let room = alice.room("r").await;
    let mut near = stage.client(Carrier::Grpc, "bob").await;
    let join = JoinRoomRequest { request_id: request_id(), room: room.clone() };
    let _: JoinRoomResponse = near.call("hansard.v1.RoomService/JoinRoom", &join).await.unwrap();
    let mut far = Client::connect(Carrier::Grpc, &other).await;
    far.hello(&stage.token("bob")).await;
    for client in [&mut alice, &mut near, &mut far] {
        client.follow(&room, 0).await;
    }
    for client in [&mut near, &mut far] {
        // The creator is seen with this event, and changes of presence are told from then on.
        assert_eq!(client.event().await.sender, person("alice").to_string());
    }
    let began = std::time::Instant::now();
    for seconds in 1..=100 {
        let answer_at = Some(prost_types::Timestamp { seconds, nanos: 0 });
        alice.say(Ask::Presence(SetPresence { availability: Availability::Busy.into(), answer_at })).await;
    }
    for client in [&mut near, &mut far] {
        let mut told = 0;
        loop {
            let presence = |frame| if let Frame::Presence(presence) = frame { Some(presence) } else { None };
            let presence = client.wait(presence).await;
            told += 1;
            if presence.answer_at.is_some_and(|at| at.seconds == 100) {
                break;
            }
        }
        assert!(told <= began.elapsed().as_secs() + 2, "{told} in {:?}", began.elapsed());
    }
    other.shutdown().await;
}

/// Whoever calls for 60 MiB and reads nothing makes the router hold a few of them.
#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_answers_are_not_read_wait_and_are_answered_later() {
    use std::sync::atomic::Ordering;
    const CALLS: u64 = 64;
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let room = alice.room("r").await;
    for _ in 0..60 {
        alice.send(&room, &"x".repeat(16_000)).await;
        alice.ack().await;
    }
    for carrier in Carrier::ALL {
        let mut reader = stage.client(carrier, "alice").await;
        let before = stage.node.pages.load(Ordering::SeqCst);
        let asked = || stage.node.pages.load(Ordering::SeqCst) - before;
        let request = ListHistoryRequest { room: room.clone(), page_size: 100, ..ListHistoryRequest::default() };
        let body = Some(hansard_proto::any::pack(&request));
        for id in 0..CALLS {
            let method = "hansard.v1.MessageService/ListHistory".into();
            reader.say(Ask::Call(Call { id, method, body: body.clone() })).await;
        }
        let mut last = u64::MAX;
        while last == 0 || asked() != last {
            last = asked();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        // What the router holds, and what the buffers of sockets do.
        assert!((1..CALLS / 2).contains(&last), "{carrier:?}: {last} pages were asked for");
        let mut answered = Vec::new();
        while answered.len() < CALLS as usize {
            let reply = reader.wait(|frame| if let Frame::Reply(reply) = frame { Some(reply) } else { None }).await;
            assert!(matches!(reply.outcome, Some(reply::Outcome::Body(_))), "{carrier:?}");
            answered.push(reply.id);
        }
        answered.sort_unstable();
        assert!(answered.into_iter().eq(0..CALLS), "{carrier:?}");
    }
}

/// JSON writes each control character in six bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_control_characters_is_read_over_every_carrier() {
    let stage = Stage::new().await;
    let mut alice = stage.client(Carrier::Grpc, "alice").await;
    let room = alice.room("r").await;
    let text = "\u{1}".repeat(16_384);
    for _ in 0..64 {
        alice.send(&room, &text).await;
        alice.ack().await;
    }
    let request = ListHistoryRequest { room: room.clone(), page_size: 1_000, ..ListHistoryRequest::default() };
    for carrier in Carrier::ALL {
        let mut reader = stage.client(carrier, "alice").await;
        for _ in 0..2 {
            let page: ListHistoryResponse =
                reader.call("hansard.v1.MessageService/ListHistory", &request).await.unwrap();
            assert_eq!(page.events.len(), 65, "{carrier:?}");
            assert!(page.events[1..].iter().all(|event| event.text == text), "{carrier:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_close_is_answered() {
    let stage = Stage::new().await;
    for carrier in [Carrier::Json, Carrier::Proto] {
        let mut client = stage.client(carrier, "alice").await;
        client.raw(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() }))).await;
        assert_eq!(client.end().await, "bye", "the answer repeats what the client said");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_work_over_plain_grpc() {
    use hansard_proto::v1::room_service_client::RoomServiceClient;
    let stage = Stage::new().await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", stage.router.grpc_addr)).unwrap();
    let mut rooms = RoomServiceClient::new(channel.connect().await.unwrap());
    let ask =
        |name: &str| CreateRoomRequest { request_id: request_id(), name: name.into(), ..CreateRoomRequest::default() };
    let refused = rooms.create_room(ask("x")).await.unwrap_err();
    assert_eq!(status::reason_of(&refused.into()).as_deref(), Some("TOKEN_MISSING"));
    let bearer = format!("Bearer {}", stage.token("alice"));
    let with_token = |name: &str| {
        let mut request = tonic::Request::new(ask(name));
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    };
    let created = rooms.create_room(with_token("one")).await.unwrap().into_inner().room.unwrap();
    assert_eq!((created.name.as_str(), created.visibility()), ("one", Visibility::Private));
    let refused: hansard_proto::rpc::Status = rooms.create_room(with_token("")).await.unwrap_err().into();
    assert_eq!(status::info_of(&refused).unwrap().metadata["field"], "name");
    for name in ["two", "three"] {
        rooms.create_room(with_token(name)).await.unwrap();
    }
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let mut request =
            tonic::Request::new(ListRoomsRequest { page_size: 2, page_token, ..ListRoomsRequest::default() });
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let page = rooms.list_rooms(request).await.unwrap().into_inner();
        names.extend(page.rooms.into_iter().map(|room| room.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["one", "three", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_confirmed_by_metas_leader_or_says_that_it_is_not() {
    use hansard_proto::v1::cluster_service_client::ClusterServiceClient;
    let stage = Stage::new().await;
    let (informed, address) = FakeNode::start_as(2).await;
    stage.node.world.lock().unwrap().revision = 5;
    informed.world.lock().unwrap().revision = 7;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", stage.router.grpc_addr)).unwrap();
    let cluster = ClusterServiceClient::new(channel.connect().await.unwrap());
    let bearer = format!("Bearer {}", stage.token("alice"));
    let status = async || {
        let mut request = tonic::Request::new(GetClusterStatusRequest {});
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let told = cluster.clone().get_cluster_status(request).await.unwrap().into_inner();
        (told.shards[0].epoch, told.unconfirmed)
    };
    let placement = Some(node::placement(&[(1, &stage.node_address), (2, &address)]));
    stage.node.tell(Directory { revision: 2, placement, ..Directory::default() });
    for _ in 0..200 {
        if informed.is_linked() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(informed.is_linked());
    assert_eq!(status().await, (5, false), "whatever others have heard");
    stage.node.world.lock().unwrap().unconfirmed = true;
    assert_eq!(status().await, (7, true), "the most that any node knows");
    stage.node.world.lock().unwrap().unconfirmed = false;
    assert_eq!(status().await, (5, false));
}
