//! Rooms: seqs, roles, visibility, history, unread counts.

use hansard_proto::v1::{
    Availability, EditMessageRequest, EditMessageResponse, GapReason, GetRoomRequest, GetRoomResponse,
    LeaveRoomRequest, LeaveRoomResponse, ListHistoryRequest, ListHistoryResponse, ListMembersRequest,
    ListMembersResponse, ListRoomsRequest, ListRoomsResponse, ListUnreadRequest, ListUnreadResponse,
    OpenDirectRoomRequest, OpenDirectRoomResponse, RedactMessageRequest, RedactMessageResponse, RemoveMemberRequest,
    RemoveMemberResponse, Role, RoomFilter, SetMemberRoleRequest, SetMemberRoleResponse, SetPresence, SetReadMark,
    SetRoomTopicRequest, SetRoomTopicResponse, SetTyping, Visibility, connect_request::Frame as Up,
    connect_response::Frame as Down,
};

use crate::{
    both,
    harness::{Item, Over, PATIENCE, Person, reason, request_id, shared},
};

/// How often a client says that somebody types.
const TYPING_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);

both! {
    seqs_start_at_one_and_every_visible_change_takes_the_next,
    everybody_sees_one_order,
    a_private_room_is_invisible_to_others,
    a_direct_room_is_one_for_the_pair_and_for_nobody_else,
    a_removed_person_gets_nothing_above_the_removal,
    seqs_before_membership_are_an_explicit_gap,
    roles_bound_what_members_do,
    history_pages_both_ways_without_a_hole,
    a_redacted_text_is_shown_to_nobody,
    unread_counts_follow_the_read_mark,
    a_read_mark_reaches_the_persons_sessions_at_all_routers,
    typing_and_presence_reach_the_others,
}

/// Removes a member and gives the removal's seq.
async fn remove(owner: &mut Person, room: &str, person: &str) -> u64 {
    let request = RemoveMemberRequest {
        request_id: request_id(),
        room: room.to_owned(),
        person: person.to_owned(),
        reason: "left the company".to_owned(),
    };
    let response: RemoveMemberResponse = owner.call("RoomService/RemoveMember", &request).await.expect("removed");
    response.commit.unwrap().seq
}

/// A page of history.
async fn page(who: &mut Person, room: &str, after: u64, before: u64, size: i32) -> Result<ListHistoryResponse, String> {
    let request = ListHistoryRequest {
        room: room.to_owned(),
        after_seq: after,
        before_seq: before,
        page_size: size,
        max_staleness: None,
    };
    who.call("MessageService/ListHistory", &request).await.map_err(|status| reason(&status))
}

async fn seqs_start_at_one_and_every_visible_change_takes_the_next(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("seqs", Visibility::Public).await.id;
    assert_eq!(alice.invite(&room, &bob.id, Role::Member).await, 2);
    assert_eq!(alice.say(&room, "hello").await.seq, 3);
    let edit = EditMessageRequest {
        request_id: request_id(),
        room: room.clone(),
        target_seq: 3,
        text: "hello, all".to_owned(),
    };
    let edited: EditMessageResponse = alice.call("MessageService/EditMessage", &edit).await.unwrap();
    assert_eq!(edited.commit.unwrap().seq, 4);
    let redact =
        RedactMessageRequest { request_id: request_id(), room: room.clone(), target_seq: 3, reason: "typo".to_owned() };
    let redacted: RedactMessageResponse = alice.call("MessageService/RedactMessage", &redact).await.unwrap();
    assert_eq!(redacted.commit.unwrap().seq, 5);
    let topic = SetRoomTopicRequest { request_id: request_id(), room: room.clone(), topic: "order".to_owned() };
    let set: SetRoomTopicResponse = alice.call("RoomService/SetRoomTopic", &topic).await.unwrap();
    assert_eq!(set.commit.unwrap().seq, 6);
    let role = SetMemberRoleRequest {
        request_id: request_id(),
        room: room.clone(),
        person: bob.id.clone(),
        role: Role::Owner.into(),
    };
    let changed: SetMemberRoleResponse = alice.call("RoomService/SetMemberRole", &role).await.unwrap();
    assert_eq!(changed.commit.unwrap().seq, 7);
    let leave = LeaveRoomRequest { request_id: request_id(), room: room.clone() };
    let left: LeaveRoomResponse = bob.call("RoomService/LeaveRoom", &leave).await.unwrap();
    assert_eq!(left.commit.unwrap().seq, 8);
    assert_eq!(bob.join(&room).await, 9);
    assert_eq!(remove(&mut alice, &room, &bob.id).await, 10);

    alice.follow(&room, 0).await;
    let kinds: Vec<String> = alice.events(&room, 1, 10).await.into_iter().map(|event| event.kind).collect();
    let expected =
        ["room_created", "invited", "message", "edit", "redaction", "topic", "role", "left", "joined", "removed"];
    assert_eq!(kinds, expected);
}

async fn everybody_sees_one_order(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("order", Visibility::Public).await.id;
    bob.join(&room).await;
    alice.follow(&room, 0).await;
    bob.follow(&room, 0).await;
    let talk = |mut who: Person, room: String| async move {
        for n in 0..50 {
            who.say(&room, &format!("{n}")).await;
        }
        who
    };
    let (mut alice, mut bob) = tokio::join!(talk(alice, room.clone()), talk(bob, room.clone()));
    let by_alice = alice.events(&room, 1, 102).await;
    let by_bob = bob.events(&room, 1, 102).await;
    assert_eq!(by_alice, by_bob, "one order for everybody");
    let times: Vec<_> = by_alice.iter().map(|e| e.time.map(|t| (t.seconds, t.nanos)).unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "time never runs backwards");
}

async fn a_private_room_is_invisible_to_others(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut eve = Person::connect(cluster, over, 1, "eve").await;
    let room = alice.create_room("secret", Visibility::Private).await.id;
    alice.say(&room, "plans").await;
    let nowhere = "00112233445566778899aabbccddeeff";

    let got: Result<GetRoomResponse, _> = eve.call("RoomService/GetRoom", &GetRoomRequest { room: room.clone() }).await;
    let unknown: Result<GetRoomResponse, _> =
        eve.call("RoomService/GetRoom", &GetRoomRequest { room: nowhere.to_owned() }).await;
    assert_eq!(reason(&got.unwrap_err()), reason(&unknown.unwrap_err()), "a private room is as good as none");
    assert_eq!(page(&mut eve, &room, 0, 0, 10).await.unwrap_err(), "ROOM_UNKNOWN");
    eve.follow(&room, 0).await;
    assert_eq!(reason(&eve.unfollowed(&room).await.expect("a status")), "ROOM_UNKNOWN");
    let refused = eve.send_with(&request_id(), &room, "knock").await.unwrap_err();
    assert_eq!(reason(&refused.status.unwrap()), "ROOM_UNKNOWN");
    for filter in [RoomFilter::Joined, RoomFilter::Public] {
        assert!(!listed(&mut eve, filter).await.contains(&room));
    }
    assert!(listed(&mut alice, RoomFilter::Joined).await.contains(&room));
    assert!(eve.heard(&room).await.is_empty());
}

/// All rooms that a person can list.
async fn listed(who: &mut Person, filter: RoomFilter) -> Vec<String> {
    let mut rooms = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListRoomsRequest { filter: filter.into(), page_size: 1000, page_token };
        let response: ListRoomsResponse = who.call("RoomService/ListRooms", &request).await.expect("rooms");
        rooms.extend(response.rooms.into_iter().map(|room| room.id));
        page_token = response.next_page_token;
        if page_token.is_empty() {
            return rooms;
        }
    }
}

async fn a_direct_room_is_one_for_the_pair_and_for_nobody_else(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut dora = Person::connect(cluster, over, 1, &format!("dora-{}", request_id())).await;
    let mut eve = Person::connect(cluster, over, 1, "eve").await;
    let to = |person: &str| OpenDirectRoomRequest { request_id: request_id(), person: person.to_owned() };
    let (a, d) = (alice.id.clone(), dora.id.clone());
    let (first, second) = (to(&d), to(&a));
    let (one, two): (Result<OpenDirectRoomResponse, _>, Result<OpenDirectRoomResponse, _>) = tokio::join!(
        alice.call("RoomService/OpenDirectRoom", &first),
        dora.call("RoomService/OpenDirectRoom", &second),
    );
    let (one, two) = (one.unwrap().room.unwrap(), two.unwrap().room.unwrap());
    assert_eq!(one.id, two.id);
    assert_eq!((one.peer, two.peer), (d, a));
    alice.say(&one.id, "just us").await;
    dora.follow(&one.id, 0).await;
    assert_eq!(dora.events(&one.id, 1, 2).await[1].text, "just us");
    assert_eq!(page(&mut eve, &one.id, 0, 0, 10).await.unwrap_err(), "ROOM_UNKNOWN");
}

async fn a_removed_person_gets_nothing_above_the_removal(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    for visibility in [Visibility::Private, Visibility::Public] {
        let room = alice.create_room("removal", visibility).await.id;
        alice.invite(&room, &bob.id, Role::Member).await;
        bob.follow(&room, 1).await;
        let removal = remove(&mut alice, &room, &bob.id).await;
        let after = alice.say(&room, "now that bob is gone").await.seq;
        assert!(after > removal);

        let live = bob.events(&room, 2, removal).await;
        assert_eq!(live.last().unwrap().kind, "removed");
        bob.unfollowed(&room).await;
        // Every path, replay included: follow again, page forwards and backwards, resume by cursor.
        bob.follow(&room, 0).await;
        bob.unfollowed(&room).await;
        for item in bob.heard(&room).await {
            let last = match &item {
                Item::Event(event) => event.seq,
                Item::Gap(gap) => gap.to_seq,
            };
            assert!(last <= removal, "{item:?} is above the removal at {removal}");
        }
        for (after, before) in [(0, 0), (removal, 0), (0, after + 1), (0, u64::MAX)] {
            let got = page(&mut bob, &room, after, before, 100).await;
            if let Ok(got) = got {
                assert!(got.events.iter().all(|event| event.seq <= removal), "{got:?}");
                assert!(got.head_seq <= removal && got.to_seq <= removal.max(after), "{got:?}");
            }
        }
        let mut again = Person::resume(cluster, over, 0, "bob", &[(&room, removal)]).await;
        again.unfollowed(&room).await;
        assert!(again.heard(&room).await.is_empty());
        let refused = bob.send_with(&request_id(), &room, "wait").await.unwrap_err();
        assert!(!reason(&refused.status.unwrap()).is_empty());
    }
}

async fn seqs_before_membership_are_an_explicit_gap(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("late", Visibility::Private).await.id;
    alice.say(&room, "before").await;
    let since = alice.invite(&room, &bob.id, Role::Member).await;
    alice.say(&room, "after").await;
    bob.follow(&room, 0).await;
    let Item::Gap(gap) = bob.next_item(&room).await else { panic!("a gap first") };
    assert_eq!((gap.from_seq, gap.to_seq, gap.reason()), (1, since - 1, GapReason::BeforeMembership));
    assert_eq!(bob.events(&room, since, since + 1).await[1].text, "after");
}

async fn roles_bound_what_members_do(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("roles", Visibility::Private).await.id;
    alice.invite(&room, &bob.id, Role::Guest).await;
    bob.say(&room, "a guest speaks").await;
    let carol = bob.resolve("carol").await;
    let invite = hansard_proto::v1::InviteMemberRequest {
        request_id: request_id(),
        room: room.clone(),
        person: carol,
        role: Role::Member.into(),
    };
    let refused: Result<hansard_proto::v1::InviteMemberResponse, _> =
        bob.call("RoomService/InviteMember", &invite).await;
    assert_eq!(reason(&refused.unwrap_err()), "NOT_ALLOWED");
    let leave = LeaveRoomRequest { request_id: request_id(), room: room.clone() };
    let refused: Result<LeaveRoomResponse, _> = alice.call("RoomService/LeaveRoom", &leave).await;
    assert_eq!(reason(&refused.unwrap_err()), "LAST_OWNER");
    let request = ListMembersRequest { room, page_size: 10, page_token: String::new() };
    let members: ListMembersResponse = bob.call("RoomService/ListMembers", &request).await.unwrap();
    assert_eq!(members.members.len(), 2);
}

async fn history_pages_both_ways_without_a_hole(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("pages", Visibility::Public).await.id;
    for n in 2..=25 {
        alice.say(&room, &format!("{n}")).await;
    }
    let mut after = 0;
    let mut seen = Vec::new();
    while after < 25 {
        let got = page(&mut alice, &room, after, 0, 7).await.unwrap();
        assert_eq!((got.from_seq, got.head_seq), (after + 1, 25));
        after = got.to_seq;
        seen.extend(got.events.iter().map(|event| event.seq));
    }
    assert_eq!(seen, (1..=25).collect::<Vec<u64>>());
    let back = page(&mut alice, &room, 0, 21, 5).await.unwrap();
    assert_eq!(back.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [16, 17, 18, 19, 20]);
    let newest = page(&mut alice, &room, 0, u64::MAX, 3).await.unwrap();
    assert_eq!(newest.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [23, 24, 25]);
}

async fn a_redacted_text_is_shown_to_nobody(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let room = alice.create_room("redaction", Visibility::Public).await.id;
    let said = alice.say(&room, "the password is hunter2").await.seq;
    let edit = EditMessageRequest {
        request_id: request_id(),
        room: room.clone(),
        target_seq: said,
        text: "hunter2!".to_owned(),
    };
    let _: EditMessageResponse = alice.call("MessageService/EditMessage", &edit).await.unwrap();
    let redact = RedactMessageRequest {
        request_id: request_id(),
        room: room.clone(),
        target_seq: said,
        reason: "leak".to_owned(),
    };
    let redacted: RedactMessageResponse = alice.call("MessageService/RedactMessage", &redact).await.unwrap();
    let redaction = redacted.commit.unwrap().seq;
    let got = page(&mut alice, &room, 0, 0, 100).await.unwrap();
    assert!(got.events.iter().all(|event| !event.text.contains("hunter2")), "{got:?}");
    assert_eq!(got.events[said as usize - 1].changed_by_seq, redaction);
    alice.follow(&room, 0).await;
    let replayed = alice.events(&room, 1, redaction).await;
    assert!(replayed.iter().all(|event| !event.text.contains("hunter2")), "{replayed:?}");
}

async fn unread_counts_follow_the_read_mark(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, "bob").await;
    let room = alice.create_room("unread", Visibility::Public).await.id;
    bob.join(&room).await;
    for _ in 0..5 {
        alice.say(&room, "news").await;
    }
    let request = ListUnreadRequest { rooms: vec![room.clone()], ..Default::default() };
    let unread: ListUnreadResponse = bob.call("MessageService/ListUnread", &request).await.unwrap();
    assert_eq!((unread.unread[0].messages, unread.unread[0].head_seq), (5, 7));
    let id = request_id();
    bob.conn.send(Up::ReadMark(SetReadMark { request_id: id.clone(), room: room.clone(), seq: 4 })).await;
    let acked = bob.frame(|f| matches!(f, Down::Ack(a) if a.request_id == id).then_some(())).await;
    assert_eq!(acked, ());
    let unread: ListUnreadResponse = bob.call("MessageService/ListUnread", &request).await.unwrap();
    assert_eq!((unread.unread[0].messages, unread.unread[0].read_seq), (3, 4));
}

async fn a_read_mark_reaches_the_persons_sessions_at_all_routers(over: Over) {
    let cluster = shared();
    let name = format!("carol-{}", request_id());
    let mut desk = Person::connect(cluster, over, 0, &name).await;
    let mut phone = Person::connect(cluster, over, 1, &name).await;
    let mut tablet = Person::connect(cluster, over, 0, &name).await;
    let room = desk.create_room("read", Visibility::Private).await.id;
    let last = desk.say(&room, "seen").await.seq;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mark = |frame: Down| if let Down::ReadMark(mark) = frame { Some((mark.room, mark.seq)) } else { None };
    // It may be dropped, as all soft state: the mark is set until it is heard.
    loop {
        assert!(tokio::time::Instant::now() < deadline, "a read mark is heard within a minute");
        let id = request_id();
        let set = SetReadMark { request_id: id.clone(), room: room.clone(), seq: last };
        desk.conn.send(Up::ReadMark(set)).await;
        desk.frame(|f| matches!(f, Down::Ack(a) if a.request_id == id).then_some(())).await;
        if let Some(told) = phone.conn.poll(TYPING_INTERVAL).await.and_then(mark) {
            assert_eq!(told, (room.clone(), last));
            break;
        }
    }
    let told = tablet.frame(|frame| mark(frame.clone())).await;
    assert_eq!(told, (room, last));
}

async fn typing_and_presence_reach_the_others(over: Over) {
    let cluster = shared();
    let mut alice = Person::connect(cluster, over, 0, "alice").await;
    let mut bob = Person::connect(cluster, over, 1, &format!("bob-{}", request_id())).await;
    let room = alice.create_room("soft", Visibility::Public).await.id;
    bob.join(&room).await;
    alice.follow(&room, 0).await;
    bob.follow(&room, 0).await;
    alice.events(&room, 1, 2).await;
    bob.events(&room, 1, 2).await;
    let answer_at = Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 });
    let busy = SetPresence { availability: Availability::Busy.into(), answer_at };
    // Presence is kept and told once. Typing is not: it is said again until it is heard, as clients do.
    bob.conn.send(Up::Presence(busy)).await;
    let presence = |frame: &Down| match frame {
        Down::Presence(presence) if presence.person == bob.id => Some(presence.clone()),
        _ => None,
    };
    let told = alice.frame(presence).await;
    assert_eq!((told.availability(), told.answer_at), (Availability::Busy, answer_at));
    let typed = |frame: &Down| matches!(frame, Down::Typing(typing) if typing.person == bob.id);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !alice.conn.poll(TYPING_INTERVAL).await.is_some_and(|frame| typed(&frame)) {
        assert!(tokio::time::Instant::now() < deadline, "typing is heard within a minute");
        bob.conn.send(Up::Typing(SetTyping { room: room.clone() })).await;
    }
}
