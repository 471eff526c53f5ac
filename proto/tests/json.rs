//! ProtoJSON reads what people type, refuses the rest with a message that helps, and never panics.

use hansard_proto::{
    any,
    json::{self, JsonError},
    v1::{self, connect_request::Frame},
};
use proptest::prelude::*;

fn read(text: &str) -> Result<v1::ConnectRequest, JsonError> {
    json::decode(text)
}

#[test]
fn reads_both_spellings_and_both_kinds_of_numbers() {
    let text = r#"{"follow":{"room":"r","after_seq":3}}"#;
    let camel = r#"{"follow":{"room":"r","afterSeq":"3"}}"#;
    assert_eq!(read(text).unwrap(), read(camel).unwrap());
}

#[test]
fn reads_a_call_whose_type_stands_last() {
    let text = r#"{"call":{"id":"1","method":"m","body":{"room":"r","@type":"type.googleapis.com/hansard.v1.GetRoomRequest"}}}"#;
    let Some(Frame::Call(call)) = read(text).unwrap().frame else { panic!("a call") };
    let body: v1::GetRoomRequest = any::unpack(&call.body.unwrap()).unwrap();
    assert_eq!(body.room, "r");
}

#[test]
fn refuses_unknown_fields_by_name() {
    let error = read(r#"{"send":{"room":"r","txt":"hi"}}"#).unwrap_err().to_string();
    assert!(error.contains("txt") && error.contains("hansard.v1.ConnectRequest"), "{error}");
}

#[test]
fn refuses_what_is_no_frame() {
    for text in [
        "",
        "null",
        "[]",
        "7",
        "\"send\"",
        "{",
        r#"{"send":7}"#,
        r#"{"send":{}} {"send":{}}"#,
        r#"{"send":{},"ping":{}}"#,
        r#"{"call":{"body":{"@type":"type.googleapis.com/no.Such"}}}"#,
        r#"{"call":{"body":{"room":"r"}}}"#,
        r#"{"follow":{"afterSeq":-1}}"#,
        r#"{"follow":{"afterSeq":1.5}}"#,
        r#"{"send":{"text":"\ud800"}}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn refuses_deep_nesting_before_it_parses() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(&deep), Err(JsonError::TooDeep)));
    let braces_in_text = format!(r#"{{"send":{{"text":"{}"}}}}"#, "[{".repeat(5_000));
    assert!(read(&braces_in_text).is_ok());
}

#[test]
fn refuses_to_write_messages_nested_in_any_without_end() {
    let mut body = any::pack(&v1::Ping { nonce: 1 });
    for id in 0..1_000 {
        let method = String::new();
        body = any::pack(&v1::Call { id, method, body: Some(body) });
    }
    let call = v1::Call { body: Some(body), ..v1::Call::default() };
    assert!(matches!(json::encode(&call), Err(JsonError::TooDeep)));
}

#[test]
fn refuses_to_write_an_any_of_unknown_type() {
    let body = prost_types::Any { type_url: "type.googleapis.com/no.Such".into(), value: vec![] };
    let call = v1::Call { body: Some(body), ..v1::Call::default() };
    assert!(matches!(json::encode(&call), Err(JsonError::Any(name)) if name == "no.Such"));
}

#[test]
fn writes_all_fields_when_asked() {
    let text = json::encode_all_fields(&v1::Event::default()).unwrap();
    assert!(text.contains(r#""text":"""#) && text.contains(r#""seq":"0""#), "{text}");
}

/// Pieces of frames, so that random texts get further than the first byte.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "send",
        "call",
        "body",
        "@type",
        "value",
        "room",
        "text",
        "hello",
        "token",
        "presence",
        "answerAt",
        "2026-01-01T00:00:00Z",
        "9999-99-99T99:99:99Z",
        "-1",
        "1e400",
        "null",
        "true",
        "\"type.googleapis.com/hansard.v1.GetRoomRequest\"",
        "type.googleapis.com/google.protobuf.Any",
        "é",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn reading_never_panics(text in any_text()) {
        let _ = read(&text);
    }

    #[test]
    fn timestamps_never_panic(text in "[0-9TZ:.+-]{0,40}") {
        let _ = read(&format!(r#"{{"presence":{{"answerAt":"{text}"}}}}"#));
    }

    #[test]
    fn writing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["hansard.v1.ConnectRequest", "hansard.v1.ConnectResponse", "hansard.cluster.v1.LinkRequest", "google.rpc.Status"] {
            let _ = json::encode_dynamic(name, &bytes);
        }
    }

    #[test]
    fn what_was_written_is_read(room in ".*", text in ".*", seq in any::<u64>(), role in 0..4_i32) {
        let event = v1::Event { room, seq, text, role, ..v1::Event::default() };
        let back: v1::Event = json::decode(&json::encode(&event).unwrap()).unwrap();
        prop_assert_eq!(back, event);
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![soup(), ".*"]
}
