//! Fields of requests, checked. Each error names the field and says what is wanted.

use hansard_domain::limits::{
    DEFAULT_PAGE, MAX_NAME_BYTES, MAX_PAGE, MAX_REASON_BYTES, MAX_STALENESS_MS, MAX_SUBJECT_BYTES, MAX_TEXT_BYTES,
    MAX_TOPIC_BYTES,
};
use hansard_domain::{PersonId, RequestId, Role, RoomId};
use hansard_proto::v1;
use prost_types::Duration;

use crate::reason;
use crate::refuse::{Fault, field, too_long};

type Checked<T> = Result<T, Fault>;

/// A room's id.
pub(crate) fn room(text: &str) -> Checked<RoomId> {
    text.parse().map_err(|error| field(reason::BAD_ID, "room", format!("`room` is {error}")))
}

/// A person's id, in the field `name`.
pub(crate) fn person(name: &str, text: &str) -> Checked<PersonId> {
    text.parse().map_err(|error| field(reason::BAD_ID, name, format!("`{name}` is {error}")))
}

/// A request id; every mutating call needs one.
pub(crate) fn request(text: &str) -> Checked<RequestId> {
    text.parse().map_err(|_| {
        let wanted = "`request_id` must be 128 random bits as 32 hexadecimal digits or a UUID, drawn once per intent";
        field(reason::BAD_REQUEST_ID, "request_id", wanted)
    })
}

/// What somebody says.
pub(crate) fn text(text: &str) -> Checked<&str> {
    if text.is_empty() {
        return Err(field(reason::TEXT_EMPTY, "text", "`text` is empty"));
    }
    bounded(reason::TEXT_TOO_LONG, "text", text, MAX_TEXT_BYTES)
}

/// A room's name.
pub(crate) fn name(text: &str) -> Checked<&str> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(field(reason::BAD_NAME, "name", "`name` must have 1 to 128 bytes and no control characters"));
    }
    bounded(reason::BAD_NAME, "name", text, MAX_NAME_BYTES)
}

/// A room's topic; may be empty.
pub(crate) fn topic(text: &str) -> Checked<&str> {
    bounded(reason::TOPIC_TOO_LONG, "topic", text, MAX_TOPIC_BYTES)
}

/// Why something is done; may be empty.
pub(crate) fn why(text: &str) -> Checked<&str> {
    bounded(reason::REASON_TOO_LONG, "reason", text, MAX_REASON_BYTES)
}

/// A token's subject.
pub(crate) fn subject(text: &str) -> Checked<&str> {
    if text.is_empty() {
        return Err(field(reason::BAD_SUBJECT, "subject", "`subject` is empty"));
    }
    bounded(reason::BAD_SUBJECT, "subject", text, MAX_SUBJECT_BYTES)
}

/// A seq that must be there.
pub(crate) fn seq(name: &str, seq: u64) -> Checked<u64> {
    if seq == 0 {
        return Err(field(reason::BAD_SEQ, name, format!("`{name}` is missing; seqs start at 1")));
    }
    Ok(seq)
}

/// A role to give; `default` if none is said.
pub(crate) fn role(number: i32, default: Option<Role>) -> Checked<Role> {
    let wanted = || field(reason::BAD_ROLE, "role", "`role` must be ROLE_OWNER, ROLE_MEMBER or ROLE_GUEST");
    match v1::Role::try_from(number) {
        Ok(v1::Role::Unspecified) => default.ok_or_else(wanted),
        Ok(v1::Role::Owner) => Ok(Role::Owner),
        Ok(v1::Role::Member) => Ok(Role::Member),
        Ok(v1::Role::Guest) => Ok(Role::Guest),
        Err(_) => Err(wanted()),
    }
}

/// A page's size.
pub(crate) fn page_size(size: i32) -> Checked<u32> {
    match usize::try_from(size) {
        Ok(0) => Ok(DEFAULT_PAGE as u32),
        Ok(size) if size <= MAX_PAGE => Ok(size as u32),
        _ => Err(field(reason::BAD_PAGE, "page_size", format!("`page_size` must be 0 to {MAX_PAGE}"))),
    }
}

/// How old a view may be, in milliseconds, rounded down; 0 if it may not.
pub(crate) fn max_staleness(asked: Option<Duration>) -> Checked<u32> {
    let Some(asked) = asked else { return Ok(0) };
    let milliseconds =
        std::time::Duration::try_from(asked).ok().and_then(|asked| u32::try_from(asked.as_millis()).ok());
    let bad = || {
        let most = MAX_STALENESS_MS / 1_000;
        field(reason::BAD_PAGE, "max_staleness", format!("`max_staleness` must be 0 to {most} s"))
    };
    milliseconds.filter(|asked| *asked <= MAX_STALENESS_MS).ok_or_else(bad)
}

/// A list of people.
pub(crate) fn people(name: &str, texts: &[String]) -> Checked<Vec<PersonId>> {
    items(name, texts.len())?;
    texts.iter().map(|text| person(name, text)).collect()
}

/// A list of rooms.
pub(crate) fn rooms(texts: &[String]) -> Checked<Vec<RoomId>> {
    items("rooms", texts.len())?;
    texts.iter().map(|text| room(text)).collect()
}

fn items(name: &str, found: usize) -> Checked<()> {
    if found > MAX_PAGE {
        return Err(too_long(reason::TOO_MANY_ITEMS, name, found, MAX_PAGE, "items"));
    }
    Ok(())
}

fn bounded<'a>(reason: &str, name: &str, text: &'a str, limit: usize) -> Checked<&'a str> {
    if text.len() > limit {
        return Err(too_long(reason, name, text.len(), limit, "bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use hansard_proto::status;

    use super::*;

    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: Checked<T>, reason: &str, name: &str) {
        let status = result.unwrap_err().into_status();
        let info = status::info_of(&status).unwrap();
        assert_eq!((info.reason.as_str(), info.metadata["field"].as_str()), (reason, name));
        assert_eq!(status::code_of(&status), tonic::Code::InvalidArgument);
    }

    #[test]
    fn bounds_are_exact() {
        assert!(text(&"x".repeat(MAX_TEXT_BYTES)).is_ok());
        refused(text(&"x".repeat(MAX_TEXT_BYTES + 1)), "TEXT_TOO_LONG", "text");
        refused(text(""), "TEXT_EMPTY", "text");
        assert!(name(&"n".repeat(MAX_NAME_BYTES)).is_ok());
        refused(name(&"n".repeat(MAX_NAME_BYTES + 1)), "BAD_NAME", "name");
        refused(name("a\nb"), "BAD_NAME", "name");
        refused(topic(&"t".repeat(MAX_TOPIC_BYTES + 1)), "TOPIC_TOO_LONG", "topic");
        refused(why(&"w".repeat(MAX_REASON_BYTES + 1)), "REASON_TOO_LONG", "reason");
        refused(page_size(-1), "BAD_PAGE", "page_size");
        refused(page_size(1_001), "BAD_PAGE", "page_size");
        assert_eq!(page_size(0).unwrap(), 100);
        let age = |seconds, nanos| max_staleness(Some(Duration { seconds, nanos }));
        for bad in [age(-1, 0), age(0, -1), age(60, 1_000_000), age(i64::MAX, 0), age(i64::MIN, i32::MIN)] {
            refused(bad, "BAD_PAGE", "max_staleness");
        }
        assert_eq!([age(0, 999_999), age(0, 500_000_000), age(60, 999_999)].map(Result::unwrap), [0, 500, 60_000]);
        assert_eq!(max_staleness(None).unwrap(), 0);
        refused(people("ids", &vec!["00".repeat(16); 1_001]), "TOO_MANY_ITEMS", "ids");
    }

    #[test]
    fn ids_are_ids() {
        refused(room("lobby"), "BAD_ID", "room");
        refused(person("person", ""), "BAD_ID", "person");
        refused(request("1"), "BAD_REQUEST_ID", "request_id");
        assert!(request("30313233-3435-3637-3839-616263646566").is_ok());
        refused(seq("target_seq", 0), "BAD_SEQ", "target_seq");
        refused(role(0, None), "BAD_ROLE", "role");
        refused(role(9, Some(Role::Member)), "BAD_ROLE", "role");
    }
}
