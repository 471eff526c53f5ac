//! ProtoJSON: frames of WebSocket clients, and what routers write for them.

use hansard_proto::json::{self, JsonError};
use hansard_proto::v1;
use prost::{Message, Name};

use crate::corpus::messages::samples;
use crate::law::{refused, settles};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 3] = [
    text("json/frame-up", || texts("hansard.v1.ConnectRequest"), read::<v1::ConnectRequest>),
    text("json/frame-down", || texts("hansard.v1.ConnectResponse"), read::<v1::ConnectResponse>),
    Target::new("json/written", || samples("hansard.v1.ConnectResponse"), written::<v1::ConnectResponse>)
        .shaped(Shape::Protobuf)
        .allowed(64 << 10, 4_096),
];

/// What frames are made of.
const WORDS: [&str; 24] = [
    "hello",
    "send",
    "call",
    "body",
    "@type",
    "value",
    "room",
    "text",
    "after_seq",
    "afterSeq",
    "presence",
    "answerAt",
    "availability",
    "AVAILABILITY_BUSY",
    "type.googleapis.com/google.protobuf.Any",
    "type.googleapis.com/google.protobuf.Struct",
    "type.googleapis.com/google.protobuf.FieldMask",
    "type.googleapis.com/google.protobuf.Duration",
    "type.googleapis.com/hansard.v1.ConnectRequest",
    "type.googleapis.com/hansard.v1.GetRoomRequest",
    "9999-12-31T23:59:59.999999999Z",
    "0001-01-01T00:00:00Z",
    "-315576000000.999999999s",
    "2026-02-30T24:61:61+99:99",
];

const fn text(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, check: fn(&[u8]) -> Verdict) -> Target {
    Target::new(name, seeds, check).shaped(Shape::Text(&WORDS)).allowed(64 << 10, 4_096)
}

/// The samples of a message as JSON.
pub(super) fn texts(full_name: &str) -> Vec<Vec<u8>> {
    let written = samples(full_name).into_iter().map(|bytes| json::encode_dynamic(full_name, &bytes));
    written.map(|text| text.expect("samples have a JSON form").into_bytes()).collect()
}

/// What is read can be written, and is the same when it is read again.
fn read<M: Message + Name + Default>(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Seen::Refused) };
    settles(text.as_bytes(), |bytes| {
        let text = std::str::from_utf8(bytes).expect("it was checked, or written by serde_json");
        let message: M = json::decode(text)?;
        json::encode(&message).map(String::into_bytes).map_err(|error| unwritable(&error))
    })
}

/// Nothing that came as JSON may be impossible to write as JSON.
fn unwritable(error: &JsonError) -> JsonError {
    panic!("it was read, and cannot be written: {error}")
}

/// What is written for clients is what they read.
fn written<M: Message + Name + Default + PartialEq>(input: &[u8]) -> Verdict {
    let message = match M::decode(input) {
        Ok(message) => message,
        Err(error) => return refused(input, &error),
    };
    let text = match json::encode(&message) {
        Ok(text) => text,
        Err(error) => return refused(input, &error),
    };
    match json::decode::<M>(&text) {
        Ok(read) if read == message => Ok(Seen::Taken),
        // Bytes that are not canonical inside of an `Any` are written as what they mean.
        Ok(read) if json::encode(&read).is_ok_and(|again| again == text) => Ok(Seen::Taken),
        Ok(_) => Err(format!("{text} is read as something else")),
        Err(error) => Err(format!("{text} is refused: {error}")),
    }
}
