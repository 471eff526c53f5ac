//! Ids, tokens of pages and other words.

use std::fmt::Display;
use std::str::FromStr;

use hansard_client::RequestId;
use hansard_domain::RoomId;
use hansard_proto::convert::{id_of_text, text};
use hansard_router::fuzzing as router;
use hansard_runtime::fuzzing as runtime;

use crate::law::{demand, settles};
use crate::target::{Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 4] = [
    words("text/id", ids, id),
    words("text/request-id", ids, request_id),
    words("text/page-token", page_tokens, page_token),
    words("text/traceparent", traceparents, traceparent),
];

const fn words(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, check: fn(&[u8]) -> Verdict) -> Target {
    Target::new(name, seeds, check).shaped(Shape::Text(&[]))
}

/// Reads text and writes it; bytes that are no text are refused.
fn again<E: Display>(input: &[u8], read: impl Fn(&str) -> Result<String, E>) -> Verdict {
    settles(input, |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        read(text).map(String::into_bytes).map_err(|error| error.to_string())
    })
}

fn ids() -> Vec<Vec<u8>> {
    ["0123456789abcdef0123456789abcdef", "01234567-89AB-cdef-0123-456789abcdef"].map(Into::into).to_vec()
}

/// Both readers of ids read the same, and so do both writers.
fn id(input: &[u8]) -> Verdict {
    let seen = again(input, |text| text.parse::<RoomId>().map(|room| room.to_string()))?;
    if let Ok(text) = std::str::from_utf8(input) {
        let other: Option<RoomId> = id_of_text("room", text).ok();
        demand(other == text.parse().ok(), || "the readers differ".to_owned())?;
        demand(other.is_none_or(|room| self::text(room) == room.to_string()), || "the writers differ".to_owned())?;
    }
    Ok(seen)
}

/// What a client takes for a request id, a router does, and the other way round.
fn request_id(input: &[u8]) -> Verdict {
    let seen = again(input, |text| RequestId::from_str(text).map(|id| id.to_string()))?;
    if let Ok(text) = std::str::from_utf8(input) {
        let client = text.parse::<RequestId>().ok().map(|id| id.to_string());
        let router = text.parse::<hansard_domain::RequestId>().ok().map(|id| id.to_string());
        demand(client == router, || format!("a client reads {client:?}, a router {router:?}"))?;
    }
    Ok(seen)
}

fn page_tokens() -> Vec<Vec<u8>> {
    ["0.", "7.0123456789abcdef0123456789abcdef"].map(Into::into).to_vec()
}

fn page_token(input: &[u8]) -> Verdict {
    again(input, router::page_token)
}

fn traceparents() -> Vec<Vec<u8>> {
    let sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    [sampled, "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more"].map(Into::into).to_vec()
}

fn traceparent(input: &[u8]) -> Verdict {
    again(input, |text| runtime::traceparent(text).ok_or("no traceparent"))
}
