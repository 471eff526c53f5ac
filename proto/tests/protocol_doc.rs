//! `docs/protocol.md` says what is true: its conversation can be typed, and its tables name every reason.

use std::{fs, path::Path};

use hansard_domain::Refusal;
use hansard_proto::{json, status, v1};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The row of a table that speaks of a reason.
fn row<'a>(page: &'a str, reason: &str) -> Option<&'a str> {
    page.lines().find(|line| line.starts_with(&format!("| `{reason}` |")))
}

#[test]
fn the_conversation_can_be_typed() {
    let page = read("docs/protocol.md");
    let (_, rest) = page.split_once("```conversation\n").expect("a conversation");
    let (lines, _) = rest.split_once("```").unwrap();
    let (mut up, mut down) = (0, 0);
    for line in lines.lines() {
        if let Some(frame) = line.strip_prefix("> ") {
            let read: v1::ConnectRequest = json::decode(frame).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(read.frame.is_some(), "{line}");
            up += 1;
        } else {
            let frame = line.strip_prefix("< ").unwrap_or_else(|| panic!("{line}"));
            let read: v1::ConnectResponse = json::decode(frame).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(read.frame.is_some(), "{line}");
            down += 1;
        }
    }
    assert!(up >= 8 && down >= 8, "{up} up, {down} down");
}

#[test]
fn every_refusal_stands_in_the_table_with_its_code() {
    let page = read("docs/protocol.md");
    for refusal in Refusal::ALL.iter().copied() {
        let row = row(&page, refusal.reason()).unwrap_or_else(|| panic!("no row for {}", refusal.reason()));
        let code = format!("({})", status::from_refusal(refusal).code);
        assert!(row.contains(&code), "{row}: its code is {code}");
    }
}

#[test]
fn every_other_reason_is_named() {
    let page = read("docs/protocol.md");
    for file in ["proto/src/reason.rs", "router/src/reason.rs"] {
        let source = read(file);
        let mut found = 0;
        for line in source.lines().filter(|line| line.starts_with("pub") && line.contains(" const ")) {
            let reason = line.split('"').nth(1).unwrap();
            assert!(page.contains(&format!("`{reason}`")), "docs/protocol.md does not speak of {reason}");
            found += 1;
        }
        assert!(found > 10, "{file} has {found} reasons");
    }
}

/// Pairs such as `Code::Aborted, reason::IDLE` in the sources below a folder.
fn codes(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for after in text.split("Code::").skip(1) {
                let word =
                    |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
                let code = word(after);
                if let Some(reason) = after[code.len()..].trim_start_matches([',', ' ', '\n']).strip_prefix("reason::")
                {
                    found.push((code, word(reason)));
                }
            }
        }
    }
}

#[test]
fn codes_are_those_that_are_sent() {
    let page = read("docs/protocol.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sent = vec![];
    codes(&root.join("router/src"), &mut sent);
    codes(&root.join("node/src"), &mut sent);
    assert!(sent.len() > 5, "{sent:?}");
    let upper = |code: &str| code.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
    for (code, reason) in sent {
        if Refusal::ALL.iter().any(|refusal| refusal.reason() == reason) {
            continue;
        }
        let Some(row) = row(&page, &reason) else { continue };
        let listed = row.split('|').nth(2).unwrap().split('(').next().unwrap();
        assert_eq!(upper(listed), upper(&code), "{row}");
    }
}

#[test]
fn every_method_is_listed() {
    let page = read("docs/protocol.md");
    for service in hansard_proto::pool::pool().services().filter(|service| service.package_name() == "hansard.v1") {
        for method in service.methods() {
            assert!(
                page.contains(&format!("`{}`", method.name())) || method.name() == "Connect",
                "{}",
                method.full_name()
            );
        }
    }
}
