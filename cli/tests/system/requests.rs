//! One identity for every mutating call: the same id again gives the same answer and no second effect, through any router;
//! with other content it is refused.

use hansard_proto::v1::{
    CreateRoomRequest, CreateRoomResponse, EditMessageRequest, EditMessageResponse, InviteMemberRequest,
    InviteMemberResponse, LeaveRoomRequest, LeaveRoomResponse, MarkReadRequest, MarkReadResponse,
    OpenDirectRoomRequest, OpenDirectRoomResponse, RedactMessageRequest, RedactMessageResponse, RemoveMemberRequest,
    RemoveMemberResponse, Role, SendMessageRequest, SendMessageResponse, SetMemberRoleRequest, SetMemberRoleResponse,
    SetRoomTopicRequest, SetRoomTopicResponse, Visibility,
};
use prost::{Message, Name};

use crate::{
    both,
    harness::{Over, Person, reason, request_id, shared},
};

both! {
    a_send_repeated_through_any_router_is_one_message,
    every_room_call_repeated_has_one_effect,
    a_request_id_with_other_content_is_refused,
    a_repeated_creation_is_one_room,
    an_id_of_the_persons_own_scope_serves_one_intent,
}

/// Makes the call twice through one router and once through another, and checks that the answers are equal.
async fn thrice<Q, A>(here: &mut Person, there: &mut Person, method: &str, request: &Q) -> A
where
    Q: Message + Name,
    A: Message + Name + Default + PartialEq + std::fmt::Debug,
{
    let first: A = here.call(method, request).await.expect("committed");
    let again: A = here.call(method, request).await.expect("answered again");
    let elsewhere: A = there.call(method, request).await.expect("answered by the other router");
    assert_eq!(first, again, "{method}");
    assert_eq!(first, elsewhere, "{method}");
    first
}

async fn a_send_repeated_through_any_router_is_one_message(over: Over) {
    let cluster = shared();
    let mut here = Person::connect(cluster, over, 0, "alice").await;
    let mut there = Person::connect(cluster, over, 1, "alice").await;
    let room = here.create_room("once", Visibility::Public).await.id;
    let id = request_id();
    let first = here.send_with(&id, &room, "once").await.unwrap();
    assert_eq!(first.seq, 2);
    assert_eq!(there.send_with(&id, &room, "once").await.unwrap(), first);
    assert_eq!(here.send_with(&id, &room, "once").await.unwrap(), first);
    assert_eq!(here.say(&room, "next").await.seq, 3, "a repeat takes no seq");
}

async fn every_room_call_repeated_has_one_effect(over: Over) {
    let cluster = shared();
    let mut here = Person::connect(cluster, over, 0, "alice").await;
    let mut there = Person::connect(cluster, over, 1, "alice").await;
    let mut bob = Person::connect(cluster, over, 0, "bob").await;
    let mut bob_there = Person::connect(cluster, over, 1, "bob").await;
    let room = here.create_room("repeats", Visibility::Public).await.id;
    let (rq, r, b) = (request_id, || room.clone(), bob.id.clone());

    let invite = InviteMemberRequest { request_id: rq(), room: r(), person: b.clone(), role: Role::Member.into() };
    let invited: InviteMemberResponse = thrice(&mut here, &mut there, "RoomService/InviteMember", &invite).await;
    let send = SendMessageRequest { request_id: rq(), room: r(), text: "one".to_owned() };
    let sent: SendMessageResponse = thrice(&mut here, &mut there, "MessageService/SendMessage", &send).await;
    let edit = EditMessageRequest { request_id: rq(), room: r(), target_seq: 3, text: "two".to_owned() };
    let edited: EditMessageResponse = thrice(&mut here, &mut there, "MessageService/EditMessage", &edit).await;
    let redact = RedactMessageRequest { request_id: rq(), room: r(), target_seq: 3, reason: String::new() };
    let redacted: RedactMessageResponse = thrice(&mut here, &mut there, "MessageService/RedactMessage", &redact).await;
    let topic = SetRoomTopicRequest { request_id: rq(), room: r(), topic: "t".to_owned() };
    let set: SetRoomTopicResponse = thrice(&mut here, &mut there, "RoomService/SetRoomTopic", &topic).await;
    let role = SetMemberRoleRequest { request_id: rq(), room: r(), person: b.clone(), role: Role::Guest.into() };
    let changed: SetMemberRoleResponse = thrice(&mut here, &mut there, "RoomService/SetMemberRole", &role).await;
    let leave = LeaveRoomRequest { request_id: rq(), room: r() };
    let left: LeaveRoomResponse = thrice(&mut bob, &mut bob_there, "RoomService/LeaveRoom", &leave).await;
    let join = hansard_proto::v1::JoinRoomRequest { request_id: rq(), room: r() };
    let joined: hansard_proto::v1::JoinRoomResponse =
        thrice(&mut bob, &mut bob_there, "RoomService/JoinRoom", &join).await;
    let mark = MarkReadRequest { request_id: rq(), room: r(), seq: 3 };
    let marked: MarkReadResponse = thrice(&mut bob, &mut bob_there, "MessageService/MarkRead", &mark).await;
    let remove = RemoveMemberRequest { request_id: rq(), room: r(), person: b, reason: String::new() };
    let removed: RemoveMemberResponse = thrice(&mut here, &mut there, "RoomService/RemoveMember", &remove).await;

    let commits = [
        invited.commit,
        sent.commit,
        edited.commit,
        redacted.commit,
        set.commit,
        changed.commit,
        left.commit,
        joined.commit,
        removed.commit,
    ];
    let seqs: Vec<u64> = commits.into_iter().map(|commit| commit.unwrap().seq).collect();
    assert_eq!(seqs, (2..=10).collect::<Vec<u64>>());
    assert_eq!(marked.seq, 3);
    here.follow(&room, 0).await;
    here.events(&room, 1, 10).await;
    assert!(here.heard(&room).await.is_empty(), "each once");
}

async fn a_request_id_with_other_content_is_refused(over: Over) {
    let cluster = shared();
    let mut here = Person::connect(cluster, over, 0, "alice").await;
    let mut there = Person::connect(cluster, over, 1, "alice").await;
    let room = here.create_room("reuse", Visibility::Public).await.id;
    let id = request_id();
    here.send_with(&id, &room, "this").await.unwrap();
    let refused = there.send_with(&id, &room, "that").await.unwrap_err();
    assert_eq!(reason(&refused.status.unwrap()), "REQUEST_REUSED");
    let edit = EditMessageRequest { request_id: id, room, target_seq: 2, text: "this".to_owned() };
    let refused: Result<EditMessageResponse, _> = there.call("MessageService/EditMessage", &edit).await;
    assert_eq!(reason(&refused.unwrap_err()), "REQUEST_REUSED");
}

async fn a_repeated_creation_is_one_room(over: Over) {
    let cluster = shared();
    let mut here = Person::connect(cluster, over, 0, "alice").await;
    let mut there = Person::connect(cluster, over, 1, "alice").await;
    let create = CreateRoomRequest {
        request_id: request_id(),
        name: "born once".to_owned(),
        topic: String::new(),
        visibility: Visibility::Private.into(),
    };
    let _: CreateRoomResponse = thrice(&mut here, &mut there, "RoomService/CreateRoom", &create).await;
    let other = CreateRoomRequest { name: "born twice".to_owned(), ..create };
    let refused: Result<CreateRoomResponse, _> = there.call("RoomService/CreateRoom", &other).await;
    assert_eq!(reason(&refused.unwrap_err()), "REQUEST_REUSED");
}

async fn an_id_of_the_persons_own_scope_serves_one_intent(over: Over) {
    let cluster = shared();
    let mut here = Person::connect(cluster, over, 0, "alice").await;
    let mut there = Person::connect(cluster, over, 1, "alice").await;
    let (bob, carol) = (here.resolve("bob").await, here.resolve("carol").await);
    let open = OpenDirectRoomRequest { request_id: request_id(), person: bob };
    let _: OpenDirectRoomResponse = thrice(&mut here, &mut there, "RoomService/OpenDirectRoom", &open).await;
    let other = OpenDirectRoomRequest { request_id: open.request_id.clone(), person: carol };
    let refused: Result<OpenDirectRoomResponse, _> = there.call("RoomService/OpenDirectRoom", &other).await;
    assert_eq!(reason(&refused.unwrap_err()), "REQUEST_REUSED");
    let create = CreateRoomRequest {
        request_id: open.request_id,
        name: "not a direct room".to_owned(),
        topic: String::new(),
        visibility: Visibility::Private.into(),
    };
    let refused: Result<CreateRoomResponse, _> = there.call("RoomService/CreateRoom", &create).await;
    assert_eq!(reason(&refused.unwrap_err()), "REQUEST_REUSED");
}
