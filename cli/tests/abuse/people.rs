//! People with tokens that are none, and people with good tokens and bad intent.

use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use hansard_proto::v1::{
    Follow, InviteMemberRequest, InviteMemberResponse, JoinRoomRequest, JoinRoomResponse, ListHistoryRequest,
    ListHistoryResponse, ListMembersRequest, ListMembersResponse, ListRoomsRequest, ListRoomsResponse, Role,
    connect_request::Frame as Up, room_service_client::RoomServiceClient,
};

use crate::{
    Target,
    harness::{Conn, Over, Person, reason, request_id},
    http2, raw,
};

/// Tokens that look like good ones.
fn forgeries(good: &str) -> Vec<String> {
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("a token has three parts") };
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let claims = String::from_utf8(BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap();
    let mut flipped = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    flipped[7] ^= 1;
    vec![
        String::new(),
        "x".to_owned(),
        good[..good.len() - 8].to_owned(),
        format!("{head}.{body}.{}", BASE64URL_NOPAD.encode(&flipped)),
        // Another person under the same signature; no algorithm; a symmetric one.
        format!("{head}.{}.{signature}", encode(&claims.replace("alice", "admin"))),
        format!("{}.{body}.", encode(r#"{"alg":"none","typ":"JWT"}"#)),
        format!("{}.{body}.{signature}", encode(r#"{"alg":"HS256","typ":"JWT"}"#)),
        "a".repeat(40_000),
    ]
}

/// Nobody gets in with a forged token.
pub(crate) async fn forged_tokens(target: &Target<'_>) -> u64 {
    let router = &target.cluster.ready.routers[0];
    let forgeries = forgeries(&target.cluster.token("alice"));
    for over in [Over::Grpc, Over::WebSocketJson] {
        for token in &forgeries {
            let conn = Conn::open(over, router).await;
            assert!(Person::hello(conn, token.clone(), &[]).await.is_err(), "{token} opens no session");
        }
    }
    2 * forgeries.len() as u64
}

/// A private room is unknown to whoever is not in it, whatever is tried.
pub(crate) async fn stranger_in_a_room(target: &Target<'_>) -> u64 {
    let mut mallory = Person::connect(target.cluster, Over::Grpc, 0, "mallory").await;
    let (room, me) = (target.room.clone(), mallory.id.clone());
    let sent = mallory.send_with(&request_id(), &room, "let me in").await.expect_err("a stranger does not speak");
    let history = ListHistoryRequest { room: room.clone(), ..Default::default() };
    let read: Result<ListHistoryResponse, _> = mallory.call("MessageService/ListHistory", &history).await;
    let members = ListMembersRequest { room: room.clone(), ..Default::default() };
    let listed: Result<ListMembersResponse, _> = mallory.call("RoomService/ListMembers", &members).await;
    let join = JoinRoomRequest { request_id: request_id(), room: room.clone() };
    let joined: Result<JoinRoomResponse, _> = mallory.call("RoomService/JoinRoom", &join).await;
    let invite =
        InviteMemberRequest { request_id: request_id(), room: room.clone(), person: me, role: Role::Owner.into() };
    let invited: Result<InviteMemberResponse, _> = mallory.call("RoomService/InviteMember", &invite).await;
    mallory.follow(&room, 0).await;
    let followed = mallory.unfollowed(&room).await;
    let refusals = [sent.status, read.err(), listed.err(), joined.err(), invited.err(), followed];
    for refusal in &refusals {
        let why = reason(refusal.as_ref().expect("a refusal"));
        assert!(matches!(why.as_str(), "ROOM_UNKNOWN" | "RATE_LIMITED"), "{why}");
    }
    refusals.len() as u64
}

/// Someone who follows rooms, asks for the whole history again and again, and reads nothing.
pub(crate) async fn never_reading_subscriber(target: &Target<'_>) -> u64 {
    let reader = Person::connect(target.cluster, Over::WebSocketProto, 0, "bob").await;
    let follow = Follow { room: target.room.clone(), after_seq: 0, from_now: false };
    let mut asked = 0;
    while asked < 200 {
        let sent = tokio::time::timeout(Duration::from_secs(1), reader.conn.send(Up::Follow(follow.clone()))).await;
        asked += 1;
        if sent.is_err() {
            break;
        }
    }
    asked
}

/// As many unary calls as a router may have under way, of one person with a good token, whose bodies never end. Meanwhile others come in
/// and make calls, without waiting until the bodies' time is over.
pub(crate) async fn bodies_without_end(target: &Target<'_>) -> u64 {
    const CONNECTIONS: usize = 16;
    /// As many as a connection may have.
    const STREAMS: u32 = 256;
    let token = target.cluster.token("mallory");
    let mut bytes = http2::opening();
    for id in (0..STREAMS).map(|n| 2 * n + 1) {
        bytes.extend(http2::request_as(id, "/hansard.v1.RoomService/ListRooms", &token));
        bytes.extend(http2::frame(http2::DATA, 0, id, &[0, 0, 0, 4, 0]));
    }
    let mut attackers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, bytes) = (target.grpc.clone(), bytes.clone());
        // Reads until the router ends the connection, which it does not.
        attackers.spawn(async move { raw::hold(&address, &bytes).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..4 {
        let start = Instant::now();
        let mut carol = Person::connect(target.cluster, Over::Grpc, 0, "carol").await;
        let list = ListRoomsRequest::default();
        let _: ListRoomsResponse = carol.call("RoomService/ListRooms", &list).await.expect("calls of a session go on");
        unary(target, "carol").await.expect("so do those over plain gRPC");
        assert!(start.elapsed() < crate::WORST, "a newcomer waited {:?}", start.elapsed());
    }
    CONNECTIONS as u64 * u64::from(STREAMS)
}

/// A call over plain gRPC.
async fn unary(target: &Target<'_>, subject: &str) -> Result<ListRoomsResponse, tonic::Status> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", target.grpc)).unwrap().connect().await;
    let mut request = tonic::Request::new(ListRoomsRequest::default());
    let bearer = format!("Bearer {}", target.cluster.token(subject));
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let answer = RoomServiceClient::new(channel.expect("it listens")).list_rooms(request).await;
    answer.map(tonic::Response::into_inner)
}
