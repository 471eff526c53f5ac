//! Protobuf messages with their fields set, made from the descriptors, so that new fields are in as soon as they exist.

use hansard_proto::{any, pool, v1};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Messages in messages are filled so deep.
const DEPTH: usize = 5;

/// For each field of the message one message that has only that field, and one that has all.
pub(crate) fn samples(full_name: &str) -> Vec<Vec<u8>> {
    let descriptor = pool::message(full_name).expect("the message is one of ours");
    let mut all = DynamicMessage::new(descriptor.clone());
    let mut samples = vec![];
    for field in descriptor.fields() {
        let mut one = DynamicMessage::new(descriptor.clone());
        one.set_field(&field, value(&field, DEPTH));
        samples.push(one.encode_to_vec());
        all.set_field(&field, value(&field, DEPTH));
    }
    samples.push(all.encode_to_vec());
    samples
}

fn message(descriptor: MessageDescriptor, depth: usize) -> DynamicMessage {
    if descriptor.full_name() == "google.protobuf.Any" {
        let held = any::pack(&v1::GetRoomRequest { room: "0123456789abcdef0123456789abcdef".to_owned() });
        return DynamicMessage::decode(descriptor, held.encode_to_vec().as_slice()).expect("an Any is an Any");
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    if depth > 0 {
        for field in descriptor.fields() {
            message.set_field(&field, value(&field, depth - 1));
        }
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize) -> Value {
    if field.is_map() {
        return Value::Map([(prost_reflect::MapKey::String("k".to_owned()), Value::String("v".to_owned()))].into());
    }
    let one = single(field, depth);
    if field.is_list() { Value::List(vec![one.clone(), one]) } else { one }
}

fn single(field: &FieldDescriptor, depth: usize) -> Value {
    match field.kind() {
        Kind::String => Value::String(text(field.name())),
        // Ids, of which all have 16 bytes.
        Kind::Bytes => Value::Bytes(vec![7; 16].into()),
        Kind::Bool => Value::Bool(true),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Message(inner) => Value::Message(message(inner, depth)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(2),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(3),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(2),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(3),
        Kind::Float => Value::F32(0.5),
        Kind::Double => Value::F64(0.5),
    }
}

fn text(field: &str) -> String {
    match field {
        "method" => "hansard.v1.RoomService/GetRoom".to_owned(),
        "text" | "name" | "topic" | "reason" | "agent" | "site" | "subject" => "what people write".to_owned(),
        "address" | "client_address" | "alternates" => "host:7000".to_owned(),
        "traceparent" => "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        "page_token" => "1.0123456789abcdef0123456789abcdef".to_owned(),
        _ => "0123456789abcdef0123456789abcdef".to_owned(),
    }
}
