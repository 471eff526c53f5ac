//! ProtoJSON for every message of ours, `Any` included.
//!
//! 64-bit integers are strings, bytes are base64, field names are lowerCamelCase (the `.proto` spelling is read as well),
//! fields at their default are left out, and what is not a field is refused.

use prost::{Message, Name};
use prost_reflect::{DeserializeOptions, DynamicMessage, ReflectMessage, SerializeOptions, Value};

use crate::{any, pool};

/// How deep braces and brackets may nest, and messages inside `Any` count too. The deepest message of ours is a reply
/// with a status whose details have metadata: 6.
pub const MAX_DEPTH: usize = 16;

/// Why a message could not be turned into JSON or back.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is no JSON, or not that of this message.
    #[error("not the JSON of a {message}: {source}")]
    Text {
        /// The message's full name.
        message: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It nests too deeply.
    #[error("the message nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// An `Any` holds a type that is none of ours, or bytes that are none of its type.
    #[error("an Any holds no valid {0:?}")]
    Any(String),
    /// The message is none of ours.
    #[error("{0} is no message of this package")]
    UnknownMessage(String),
    /// The binary form is broken.
    #[error("not the binary form of a {message}: {source}")]
    Binary {
        /// The message's full name.
        message: String,
        /// What is wrong.
        source: prost::DecodeError,
    },
}

/// The message as one line of JSON, fields at their default left out.
pub fn encode<M: Message + Name>(message: &M) -> Result<String, JsonError> {
    encode_with(message, &SerializeOptions::new())
}

/// The message as one line of JSON with every field, for people and scripts that want to see them all.
pub fn encode_all_fields<M: Message + Name>(message: &M) -> Result<String, JsonError> {
    encode_with(message, &SerializeOptions::new().skip_default_fields(false))
}

/// Reads a message.
pub fn decode<M: Message + Name + Default>(text: &str) -> Result<M, JsonError> {
    let dynamic = decode_dynamic(&M::full_name(), text)?;
    dynamic.transcode_to().map_err(|source| binary(M::full_name(), source))
}

/// Reads a message whose type is known by its full name only.
pub fn decode_dynamic(full_name: &str, text: &str) -> Result<DynamicMessage, JsonError> {
    let descriptor = pool::message(full_name).ok_or_else(|| JsonError::UnknownMessage(full_name.to_owned()))?;
    if text_depth(text) > MAX_DEPTH {
        return Err(JsonError::TooDeep);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize_with_options(descriptor, &mut reader, &DeserializeOptions::new())
        .and_then(|message| reader.end().map(|()| message))
        .map_err(|source| JsonError::Text { message: full_name.to_owned(), source })
}

/// Writes a message whose type is known by its full name only, from its binary form.
pub fn encode_dynamic(full_name: &str, bytes: &[u8]) -> Result<String, JsonError> {
    write(full_name, bytes, &SerializeOptions::new())
}

fn encode_with<M: Message + Name>(message: &M, options: &SerializeOptions) -> Result<String, JsonError> {
    write(&M::full_name(), &message.encode_to_vec(), options)
}

fn write(full_name: &str, bytes: &[u8], options: &SerializeOptions) -> Result<String, JsonError> {
    let descriptor = pool::message(full_name).ok_or_else(|| JsonError::UnknownMessage(full_name.to_owned()))?;
    let dynamic = DynamicMessage::decode(descriptor, bytes).map_err(|source| binary(full_name.to_owned(), source))?;
    check_message(&dynamic, 1)?;
    let mut out = serde_json::Serializer::new(Vec::with_capacity(bytes.len() * 2 + 64));
    dynamic
        .serialize_with_options(&mut out, options)
        .map_err(|source| JsonError::Text { message: full_name.to_owned(), source })?;
    Ok(String::from_utf8(out.into_inner()).expect("serde_json writes UTF-8"))
}

fn binary(message: String, source: prost::DecodeError) -> JsonError {
    JsonError::Binary { message, source }
}

/// Refuses what would make the writer recurse without bound: `Any` in `Any` nests in bytes, which prost's own limit does
/// not see.
fn check_message(message: &DynamicMessage, depth: usize) -> Result<(), JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError::TooDeep);
    }
    if message.descriptor().full_name() == "google.protobuf.Any" {
        return check_any(message, depth);
    }
    for (_, value) in message.fields() {
        check_value(value, depth + 1)?;
    }
    Ok(())
}

fn check_value(value: &Value, depth: usize) -> Result<(), JsonError> {
    match value {
        Value::Message(inner) => check_message(inner, depth),
        Value::List(items) => items.iter().try_for_each(|item| check_value(item, depth + 1)),
        Value::Map(entries) => entries.values().try_for_each(|item| check_value(item, depth + 1)),
        _ => Ok(()),
    }
}

fn check_any(message: &DynamicMessage, depth: usize) -> Result<(), JsonError> {
    let held: prost_types::Any =
        message.transcode_to().map_err(|source| binary("google.protobuf.Any".into(), source))?;
    let name = any::type_name(&held);
    let unreadable = || JsonError::Any(name.to_owned());
    let descriptor = pool::message(name).ok_or_else(unreadable)?;
    let inner = DynamicMessage::decode(descriptor, held.value.as_slice()).map_err(|_| unreadable())?;
    check_message(&inner, depth + 1)
}

/// How deep the braces and brackets of a JSON text nest, strings left out. Broken texts get some number; the parser says
/// what is wrong with them.
fn text_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
