//! The command line as a person types it.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::harness::{Cluster, hansard, request_id, shared};

fn json(line: &str) -> Value {
    serde_json::from_str(line.trim()).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

fn create(cluster: &Cluster, name: &str) -> String {
    let room = json(&cluster.run("alice", 0, &["room", "create", name, "--output", "json"]));
    room["id"].as_str().expect("an id").to_owned()
}

/// A number that ProtoJSON may write as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_message_goes_from_one_office_to_the_other() {
    let cluster = shared();
    let room = create(cluster, "general");
    cluster.run("alice", 0, &["room", "invite", &room, "bob"]);
    let mut tail =
        cluster.command("bob", 1, &["tail", &room, "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let sent = json(&cluster.run("alice", 0, &["send", &room, "hello, Denver", "--output", "json"]));
    assert_eq!(sent["room"], room.as_str());
    assert!(sent["time"].as_str().unwrap().ends_with('Z'));
    loop {
        let event = json(&lines.next().expect("tail goes on").unwrap());
        if event["kind"] == "message" {
            assert_eq!(number(&event["seq"]), number(&sent["seq"]));
            assert_eq!((&event["text"], &event["senderName"]), (&"hello, Denver".into(), &"alice".into()));
            assert_eq!(event["sender"].as_str().unwrap().len(), 32);
            break;
        }
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn every_command_for_rooms_and_messages_works() {
    let cluster = shared();
    let room = create(cluster, "commands");
    let run = |who: &str, router: usize, args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        cluster.run(who, router, &all)
    };
    run("alice", 1, &["room", "invite", &room, "bob"]);
    run("alice", 0, &["room", "role", &room, "bob", "owner"]);
    let said = json(&run("bob", 1, &["send", &room, "first"]));
    let seq = number(&said["seq"]).to_string();
    run("bob", 0, &["edit", &room, &seq, "first, edited"]);
    run("bob", 0, &["redact", &room, &seq]);
    assert_eq!(run("alice", 0, &["room", "members", &room]).lines().count(), 2);
    assert!(run("alice", 1, &["room", "list"]).contains(&room));
    let history = run("alice", 0, &["history", &room]);
    let kinds: Vec<String> = history.lines().map(|l| json(l)["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["room_created", "invited", "role", "message", "edit", "redaction"]);
    run("alice", 0, &["room", "remove", &room, "bob"]);
    let refused = cluster.try_run("bob", 0, &["send", &room, "too late"]);
    // A private room is as good as none to those who are out.
    assert_eq!(refused.status.code(), Some(6), "{}", String::from_utf8_lossy(&refused.stderr));
    let direct = json(&run("alice", 0, &["dm", "bob"]));
    assert_eq!(json(&run("bob", 1, &["dm", "alice"]))["id"], direct["id"]);
    let public = json(&run("alice", 0, &["room", "create", "lobby", "--public"]));
    let public = public["id"].as_str().unwrap();
    run("bob", 1, &["room", "join", public]);
    run("bob", 1, &["room", "leave", public]);
    let status = json(&run("bob", 0, &["cluster", "status"]));
    assert_eq!(status["nodes"].as_array().unwrap().len(), 3);
}

#[test]
fn a_command_that_is_repeated_with_its_request_id_has_one_effect() {
    let cluster = shared();
    let twice = |args: &[&str]| {
        let id = request_id();
        let mut all = args.to_vec();
        all.extend(["--request-id", &id, "--output", "json"]);
        let (first, again) = (json(&cluster.run("alice", 0, &all)), json(&cluster.run("alice", 1, &all)));
        assert_eq!(first, again, "{args:?}");
        first
    };
    let room = twice(&["room", "create", "repeated"])["id"].as_str().expect("an id").to_owned();
    assert_eq!(number(&twice(&["room", "invite", &room, "bob"])["seq"]), 2);
    assert_eq!(number(&twice(&["send", &room, "once"])["seq"]), 3);
    assert_eq!(number(&twice(&["edit", &room, "3", "once, edited"])["seq"]), 4);
    assert_eq!(number(&twice(&["redact", &room, "3"])["seq"]), 5);
    assert_eq!(number(&twice(&["room", "remove", &room, "bob"])["seq"]), 6);
    let id = request_id();
    let send = |text| cluster.try_run("alice", 0, &["send", &room, text, "--request-id", &id]).status.code();
    assert_eq!((send("one"), send("another"), send("-")), (Some(0), Some(3), Some(2)));
    assert_eq!(cluster.try_run("alice", 0, &["send", &room, "x", "--request-id", "y"]).status.code(), Some(2));
}

#[test]
fn nobody_gets_an_id_by_being_misspelt() {
    let cluster = shared();
    let room = create(cluster, "typos");
    for args in [
        &["token", "revoke", "--person", "bbo"][..],
        &["room", "remove", &room, "bbo"],
        &["room", "role", &room, "bbo", "owner"],
        &["dm", "bbo"],
    ] {
        let refused = cluster.try_run("alice", 0, args);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(6), "{args:?}: {said}");
        assert!(said.contains("nobody is called \"bbo\""), "{args:?}: {said}");
    }
    assert!(!cluster.run("alice", 1, &["people"]).contains("bbo"));
    // Invitations are for those, too, who have not come yet; and so may a revocation be.
    cluster.run("alice", 0, &["room", "invite", &room, "a-newcomer"]);
    cluster.run("alice", 1, &["room", "remove", &room, "a-newcomer"]);
    cluster.run("alice", 0, &["token", "revoke", "--person", "another-newcomer", "--unseen"]);
    let people = cluster.run("alice", 0, &["people"]);
    assert!(people.contains("a-newcomer") && people.contains("another-newcomer"), "{people}");
}

#[test]
fn a_person_reads_tables() {
    let cluster = shared();
    let room = create(cluster, "tables");
    cluster.run("alice", 0, &["send", &room, "for human eyes"]);
    let history = cluster.run("alice", 0, &["history", &room]);
    assert!(history.contains("alice") && history.contains("for human eyes"), "{history}");
    let older = cluster.try_run("alice", 0, &["history", &room, "--max-staleness", "0.5"]);
    let said = String::from_utf8_lossy(&older.stderr);
    assert!(older.status.success() && said.starts_with("(a view of at most 0."), "{said}");
    let nodes = cluster.run("alice", 0, &["cluster", "status"]);
    assert!(nodes.contains("boston") && nodes.contains("bangalore"), "{nodes}");
}

#[test]
fn errors_say_what_to_do_and_have_their_exit_codes() {
    let cluster = shared();
    let unset = hansard().args(["room", "list"]).output().unwrap();
    let said = String::from_utf8_lossy(&unset.stderr).into_owned();
    assert!(!unset.status.success() && said.contains("HANSARD_ROUTER"), "{said}");
    assert_eq!(hansard().args(["send"]).output().unwrap().status.code(), Some(2));
    let mut bad = cluster.command("alice", 0, &["room", "list"]);
    let refused = bad.env("HANSARD_TOKEN", "nonsense").output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("token"));
    let refused = cluster.try_run("bob", 0, &["token", "revoke", "--id", "x"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(3) && said.contains("use a token with the role \"operator\""), "{said}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(hansard().args(["completions", shell]).output().unwrap().stdout.len() > 1_000);
    }
}
