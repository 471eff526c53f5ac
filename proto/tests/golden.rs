//! The wire format does not change under its users: known messages have known bytes and known JSON. `HANSARD_GEN=1`
//! writes the files anew; a change of a file that was released is a change of the contract.

use std::{fmt::Debug, fs, path::Path};

use hansard_proto::{any, json, reason, rpc, status, v1};
use prost::{Message, Name};

const ROOM: &str = "4f0c2a7d9be1463f8a55c0de00112233";
const REQUEST: &str = "0190a5b8c3d47e6f8091a2b3c4d5e6f7";
const PERSON: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

fn time() -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 123_456_000 })
}

fn check<M: Message + Name + Default + PartialEq + Debug>(name: &str, message: &M) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (binary, text) = (folder.join(format!("{name}.bin")), folder.join(format!("{name}.json")));
    let line = json::encode(message).unwrap() + "\n";
    if std::env::var_os("HANSARD_GEN").is_some() {
        fs::write(&binary, message.encode_to_vec()).unwrap();
        fs::write(&text, &line).unwrap();
    }
    let kept = fs::read(&binary).unwrap();
    assert_eq!(&M::decode(kept.as_slice()).unwrap(), message, "{name}.bin is read");
    assert_eq!(message.encode_to_vec(), kept, "{name}.bin is written");
    let kept = fs::read_to_string(&text).unwrap();
    assert_eq!(&json::decode::<M>(&kept).unwrap(), message, "{name}.json is read");
    assert_eq!(line, kept, "{name}.json is written");
}

fn up(frame: v1::connect_request::Frame) -> v1::ConnectRequest {
    v1::ConnectRequest { frame: Some(frame) }
}

fn down(frame: v1::connect_response::Frame) -> v1::ConnectResponse {
    v1::ConnectResponse { frame: Some(frame) }
}

#[test]
fn send() {
    let send = v1::Send { request_id: REQUEST.into(), room: ROOM.into(), text: "Grüße, \"Denver\" ✓\n".into() };
    check("send", &up(v1::connect_request::Frame::Send(send)));
}

#[test]
fn event() {
    let event = v1::Event {
        room: ROOM.into(),
        seq: 9_007_199_254_740_993,
        time: time(),
        kind: "message".into(),
        sender: PERSON.into(),
        text: "hello".into(),
        ..v1::Event::default()
    };
    check("event", &down(v1::connect_response::Frame::Event(event)));
    let invited = v1::Event {
        room: ROOM.into(),
        seq: 2,
        time: time(),
        kind: "invited".into(),
        sender: PERSON.into(),
        person: "00112233445566778899aabbccddeeff".into(),
        role: v1::Role::Guest as i32,
        ..v1::Event::default()
    };
    check("event_invited", &down(v1::connect_response::Frame::Event(invited)));
}

#[test]
fn gap() {
    let gap = v1::Gap { room: ROOM.into(), from_seq: 1, to_seq: 41, reason: v1::GapReason::BeforeMembership as i32 };
    check("gap", &down(v1::connect_response::Frame::Gap(gap)));
}

#[test]
fn refusal() {
    let refused = status::with_metadata(
        tonic::Code::PermissionDenied,
        "NOT_MEMBER",
        "you are not a member of this room",
        [("room", ROOM.to_owned())],
    );
    let refusal = v1::Refusal { request_id: REQUEST.into(), room: ROOM.into(), status: Some(refused) };
    check("refusal", &down(v1::connect_response::Frame::Refusal(refusal)));
    let unknown = v1::Refusal {
        request_id: REQUEST.into(),
        room: ROOM.into(),
        status: Some(status::unknown_outcome("the leader went away; send again with the same id")),
    };
    check("refusal_unknown", &down(v1::connect_response::Frame::Refusal(unknown)));
}

#[test]
fn call_and_reply() {
    let create = v1::CreateRoomRequest {
        request_id: REQUEST.into(),
        name: "standup".into(),
        visibility: v1::Visibility::Public as i32,
        ..v1::CreateRoomRequest::default()
    };
    let call = v1::Call { id: 7, method: "hansard.v1.RoomService/CreateRoom".into(), body: Some(any::pack(&create)) };
    check("call", &up(v1::connect_request::Frame::Call(call)));
    let failed = v1::Reply {
        id: 7,
        outcome: Some(v1::reply::Outcome::Status(status::new(
            tonic::Code::Unimplemented,
            reason::METHOD_UNKNOWN,
            "no such method",
        ))),
    };
    check("reply_status", &down(v1::connect_response::Frame::Reply(failed)));
    let done =
        v1::Reply { id: 7, outcome: Some(v1::reply::Outcome::Body(any::pack(&v1::MarkReadResponse { seq: 3 }))) };
    check("reply_body", &down(v1::connect_response::Frame::Reply(done)));
}

#[test]
fn details_use_the_published_names() {
    let status = status::unknown_outcome("x");
    let names: Vec<_> = status.details.iter().map(any::type_name).collect();
    assert_eq!(names, [rpc::ErrorInfo::full_name(), rpc::RetryInfo::full_name()]);
}
