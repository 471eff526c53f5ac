//! Which content an action takes.

use hansard_domain::limits::{MAX_NAME_BYTES, MAX_REASON_BYTES, MAX_TEXT_BYTES, MAX_TOPIC_BYTES};
use hansard_domain::{Action, Content, Refusal, Visibility};

pub(crate) fn check(action: &Action, content: &Content) -> Result<(), Refusal> {
    bounds(content)?;
    let Content { text, name, topic, reason } = content;
    let takes = |may: [bool; 4]| {
        let has = [text.is_some(), name.is_some(), topic.is_some(), reason.is_some()];
        may.iter().zip(has).all(|(may, has)| *may || !has)
    };
    let full = |field: &Option<String>| field.as_ref().is_some_and(|value| !value.is_empty());
    let good = match action {
        Action::SendMessage { .. } | Action::EditMessage { .. } => takes([true, false, false, false]) && full(text),
        Action::CreateRoom { visibility: Visibility::Direct, .. } => takes([false; 4]),
        Action::CreateRoom { .. } => takes([false, true, true, false]) && full(name) && is_line(name),
        Action::SetTopic { .. } => takes([false, false, true, false]) && topic.is_some(),
        Action::RedactMessage { .. } | Action::Remove { .. } => takes([false, false, false, true]),
        // What a claim is for is the router's business, within the bounds.
        Action::Claim { .. } => true,
        Action::Join { .. }
        | Action::Leave { .. }
        | Action::Invite { .. }
        | Action::SetRole { .. }
        | Action::MarkRead { .. }
        | Action::Refused { .. } => takes([false; 4]),
    };
    if good { Ok(()) } else { Err(Refusal::InvalidContent) }
}

fn bounds(content: &Content) -> Result<(), Refusal> {
    let fields = [
        (&content.text, MAX_TEXT_BYTES),
        (&content.name, MAX_NAME_BYTES),
        (&content.topic, MAX_TOPIC_BYTES),
        (&content.reason, MAX_REASON_BYTES),
    ];
    let fits = fields.iter().all(|(field, max)| field.as_ref().is_none_or(|value| value.len() <= *max));
    if fits { Ok(()) } else { Err(Refusal::TextTooLong) }
}

/// A name is one line of a list: no control characters, not only blanks.
fn is_line(name: &Option<String>) -> bool {
    name.as_ref().is_some_and(|name| !name.chars().any(char::is_control) && !name.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansard_domain::RoomId;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn named(name: &str) -> Content {
        Content { name: Some(name.to_owned()), ..Content::default() }
    }

    #[test]
    fn texts_have_bounds() {
        let send = Action::SendMessage { room: ROOM };
        assert_eq!(check(&send, &Content::text("x".repeat(MAX_TEXT_BYTES))), Ok(()));
        assert_eq!(check(&send, &Content::text("x".repeat(MAX_TEXT_BYTES + 1))), Err(Refusal::TextTooLong));
        assert_eq!(check(&send, &Content::text("")), Err(Refusal::InvalidContent));
        assert_eq!(check(&send, &named("x")), Err(Refusal::InvalidContent));
    }

    #[test]
    fn names_are_one_line() {
        let create = Action::CreateRoom { room: ROOM, visibility: Visibility::Public, peer: None };
        assert_eq!(check(&create, &named("Incident 7")), Ok(()));
        for bad in ["", " ", "two\nlines", "bell\u{7}"] {
            assert_eq!(check(&create, &named(bad)), Err(Refusal::InvalidContent), "{bad:?}");
        }
    }
}
