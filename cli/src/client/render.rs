//! Printing: ProtoJSON lines, tables, and one line per event.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use hansard_client::{Message, Name, v1::Event};
use hansard_proto::json;
use serde_json::{Map, Value};

/// Prints a line and flushes it, so that whoever reads a pipe has it at once.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints a message as one line of JSON, with every field.
pub(crate) fn message<M: Message + Name>(message: &M) -> anyhow::Result<()> {
    Ok(line(&json::encode_all_fields(message)?)?)
}

/// A message as a JSON object, fields at their default left out.
pub(crate) fn object<M: Message + Name>(message: &M) -> anyhow::Result<Map<String, Value>> {
    match serde_json::from_str(&json::encode(message)?)? {
        Value::Object(map) => Ok(map),
        other => anyhow::bail!("{} is no JSON object: {other}", M::full_name()),
    }
}

/// Prints a table for people.
pub(crate) fn table(headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headers.iter().map(|header| header.to_uppercase()));
    table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>()));
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    line(&lines.join("\n"))
}

/// Text of others without control characters, which could play tricks on a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time of day in UTC, from seconds since 1970.
pub(crate) fn clock(seconds: i64) -> String {
    let second = seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// One line about an event: `12:03:04 alice  hello`. `person` is the name of whom it is about.
pub(crate) fn event(event: &Event, sender: &str, person: &str) -> String {
    let time = event.time.as_ref().map_or_else(|| "--:--:--".to_owned(), |time| clock(time.seconds));
    let sender = bold(&printable(sender));
    let because = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
    let what = match event.kind.as_str() {
        "message" if event.text.is_empty() && event.changed_by_seq > 0 => " (redacted)".to_owned(),
        "message" if event.changed_by_seq > 0 => format!(" {} (changed)", event.text),
        "message" => format!(" {}", event.text),
        "edit" => format!("changed {} to: {}", event.target_seq, event.text),
        "redaction" => format!("redacted {}{because}", event.target_seq),
        "room_created" => format!("created the room {}", event.name),
        "joined" => "joined".to_owned(),
        "left" => "left".to_owned(),
        "invited" => format!("invited {person}"),
        "removed" => format!("removed {person}{because}"),
        "role" => format!("made {person} {}", role(event.role)),
        "topic" => format!("set the topic: {}", event.topic),
        other => format!("{other} (entry {})", event.seq),
    };
    format!("{time} {sender} {}", printable(&what))
}

/// A role's name for people.
pub(crate) fn role(number: i32) -> &'static str {
    match number {
        1 => "owner",
        2 => "member",
        3 => "guest",
        _ => "-",
    }
}

/// A visibility's name for people.
pub(crate) fn visibility(number: i32) -> &'static str {
    match number {
        1 => "public",
        2 => "private",
        3 => "direct",
        _ => "-",
    }
}

fn bold(text: &str) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_events_in_one_line_and_no_control_characters() {
        let hello = Event { kind: "message".into(), text: "hel\u{1b}lo\n".into(), ..Event::default() };
        assert_eq!(event(&hello, "alice", ""), "--:--:-- alice  hel lo ");
        let removed = Event { kind: "removed".into(), reason: "spam".into(), ..Event::default() };
        assert_eq!(event(&removed, "alice", "bob"), "--:--:-- alice removed bob: spam");
        let later = Event { kind: "file".into(), seq: 7, ..Event::default() };
        assert!(event(&later, "a", "").ends_with("file (entry 7)"));
    }

    #[test]
    fn tells_the_time_of_day() {
        assert_eq!(clock(86_400 + 12 * 3_600 + 3 * 60 + 4), "12:03:04");
        assert_eq!(clock(-1), "23:59:59");
    }
}
