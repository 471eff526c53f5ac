//! The bytes of every format, as files. A test that fails here says that old data can't be read any more: raise the
//! format's version and keep the old reader, instead of changing the file.

use std::fmt::Write;
use std::path::Path;

use crate::batch::Batch;
use crate::command::{Action, Command};
use crate::content::Content;
use crate::ids::{ClusterId, RequestId, RoomId, ShardId};
use crate::meta::{Meta, MetaAction, MetaBatch, MetaCommand, MetaOutcome, NodeInfo};
use crate::outcome::Outcome;
use crate::record::{Header, RefusedCount};
use crate::refusal::Refusal;
use crate::room::{Role, Visibility};
use crate::rows::MemRows;
use crate::sealed::{Salt, Sealed};
use crate::testkit::{ANN, BOB, CID, ROOM, SHARD, World, command, named};

/// Lines of `name hex` must be what the file says. With HANSARD_BLESS=1 the file is written instead.
fn golden(file: &str, lines: &[(String, Vec<u8>)]) {
    let mut text = String::new();
    for (name, bytes) in lines {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        writeln!(text, "{name} {hex}").expect("strings take all");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("HANSARD_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} does not hold:\n{text}", path.display());
}

fn every_action() -> Vec<(Action, Content)> {
    let none = Content::default;
    let direct = RoomId::from_bytes([0x11; 16]);
    vec![
        (Action::CreateRoom { room: ROOM, visibility: Visibility::Public, peer: None }, named("room")),
        (Action::CreateRoom { room: direct, visibility: Visibility::Direct, peer: Some(BOB) }, none()),
        (Action::SendMessage { room: ROOM }, Content::text("hello")),
        (Action::EditMessage { room: ROOM, target: 2 }, Content::text("hallo")),
        (Action::Invite { room: ROOM, person: BOB, role: Role::Member }, none()),
        (Action::SetRole { room: ROOM, person: BOB, role: Role::Guest }, none()),
        (Action::Remove { room: ROOM, person: BOB }, Content { reason: Some("why".into()), ..none() }),
        (Action::RedactMessage { room: ROOM, target: 2 }, none()),
        (Action::SetTopic { room: ROOM }, Content { topic: Some("topic".into()), ..none() }),
        (Action::MarkRead { room: ROOM, seq: 3 }, none()),
        (Action::Join { room: ROOM }, none()),
        (Action::Leave { room: ROOM }, none()),
        (Action::Claim { method: 7 }, named("room")),
        (Action::Refused { room: Some(ROOM), reason: 3, count: 300, first_us: 1, last_us: 2 }, none()),
    ]
}

fn rows_of(rows: &MemRows) -> Vec<(String, Vec<u8>)> {
    rows.iter()
        .map(|(table, key, value)| {
            let key: String = key.iter().map(|b| format!("{b:02x}")).collect();
            (format!("{table:?} {key}"), value.to_vec())
        })
        .collect()
}

#[test]
fn commands_and_the_rows_that_they_make() {
    let mut lines = Vec::new();
    let mut world = World::empty();
    for (n, (action, content)) in (1..).zip(every_action()) {
        let actor = if matches!(action, Action::Join { .. } | Action::Leave { .. }) { CID } else { ANN };
        let commands = vec![command(n, actor, action, &content)];
        lines.push((format!("{:?}", action.number()), Batch { commands: commands.clone() }.encode().to_vec()));
        let outcome = world.apply(commands)[0];
        assert!(matches!(outcome, Outcome::Committed { .. }), "{action:?}: {outcome:?}");
    }
    let direct = RoomId::from_bytes([0x11; 16]);
    let together = [(50, ROOM), (51, direct), (52, ROOM)];
    let send = |(n, room)| command(n, ANN, Action::SendMessage { room }, &Content::text("together"));
    world.apply(together.map(send).to_vec());
    let burst = [(60, ROOM), (61, ROOM), (62, direct)].map(send).map(|command| Command { stamp_us: 7, ..command });
    lines.push(("burst".into(), Batch { commands: burst.to_vec() }.encode().to_vec()));
    let mut sealed = command(99, ANN, Action::SendMessage { room: ROOM }, &Content::default());
    sealed.content = Sealed { scheme: 1, key_id: Some([3; 16]), nonce: vec![4; 12].into(), bytes: vec![5; 20].into() };
    lines.push(("sealed".into(), Batch { commands: vec![sealed] }.encode().to_vec()));
    golden("batch.hex", &lines);
    golden("rows.hex", &rows_of(&world.rows));
    golden("root.hex", &[("root".into(), world.shard.record_root().to_vec())]);
}

#[test]
fn outcomes() {
    let mut lines: Vec<_> =
        Refusal::ALL.iter().map(|r| (r.reason().to_owned(), Outcome::Refused(*r).encode())).collect();
    for repeated in [false, true] {
        let outcome = Outcome::Committed { seq: 300, time_us: 1_700_000_000_000_000, repeated };
        lines.push((format!("committed repeated={repeated}"), outcome.encode()));
    }
    golden("outcome.hex", &lines);
}

#[test]
fn headers() {
    let request = RequestId::from_bytes([2; 16]);
    let plain = Header::new(SHARD, 1, 2, crate::Kind::Claimed, ANN, request);
    let full = Header {
        policy: 1,
        rule: 2,
        room: Some(ROOM),
        seq: Some(3),
        person: Some(BOB),
        target: Some(4),
        role: Some(Role::Guest),
        visibility: Some(Visibility::Direct),
        refused: Some(RefusedCount { action: 2, reason: 5, count: 6, first_us: 7, last_us: 8 }),
        node: Some(9),
        subject_shard: Some(ShardId::META),
        epoch: Some(10),
        ..plain
    };
    for header in [plain, full] {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
    golden("header.hex", &[("plain".into(), plain.encode()), ("full".into(), full.encode())]);
}

fn every_meta_action() -> Vec<MetaAction> {
    let node = |id: u64| NodeInfo { id, name: format!("node{id}"), site: "boston".into(), address: format!("h{id}:1") };
    let shards = (1..=2).map(|n| (ShardId::from_bytes([n; 16]), vec![1, 2])).collect();
    vec![
        MetaAction::Found {
            cluster: ClusterId::from_bytes([8; 16]),
            nodes: vec![node(1), node(2)],
            meta: vec![1, 2],
            shards,
        },
        MetaAction::EnrollPerson { person: ANN, issuer: "https://id".into(), subject: "ann".into() },
        MetaAction::RevokeToken { token: "jti-1".into(), expires_s: 1_800_000_000 },
        MetaAction::RevokePerson { person: ANN, not_before_s: 1_700_000_000 },
        MetaAction::RegisterNode(node(3)),
        MetaAction::ActivateNode(3),
        MetaAction::SetPlacement { shard: ShardId::from_bytes([1; 16]), voters: vec![1, 3], epoch: 2 },
        MetaAction::RegisterNode(node(4)),
        MetaAction::DecommissionNode(4),
        MetaAction::RetireNode(4),
        MetaAction::MoveRoom { room: ROOM, shard: 1, epoch: 1 },
        MetaAction::SetPolicy(2),
    ]
}

#[test]
fn meta_commands_and_the_rows_that_they_make() {
    let mut rows = MemRows::default();
    let Ok(mut meta) = Meta::load(&rows);
    let (mut lines, mut outcomes) = (Vec::new(), Vec::new());
    for (n, action) in (1u8..).zip(every_meta_action()) {
        let name = format!("{:?}", action.kind());
        let command = MetaCommand {
            request: RequestId::from_bytes([n; 16]),
            actor: CID,
            stamp_us: 1_700_000_000_000_000 + i64::from(n),
            policy: 1,
            rule: 17,
            salt: Salt([n; 32]),
            action,
        };
        assert_eq!(MetaCommand::decode(&command.encode()).as_ref(), Ok(&command));
        let batch = MetaBatch { commands: vec![command] };
        assert_eq!(MetaBatch::decode(&batch.encode()).as_ref(), Ok(&batch));
        let Ok(applied) = meta.apply(&rows, &[&batch]);
        rows.commit(&applied.changes);
        assert!(!matches!(applied.outcomes[0], MetaOutcome::Refused(_)), "{name}: {:?}", applied.outcomes);
        assert_eq!(MetaOutcome::decode(&applied.outcomes[0].encode()), Ok(applied.outcomes[0]));
        let Ok(again) = Meta::load(&rows);
        assert_eq!((again.view(), again.record_root()), (meta.view(), meta.record_root()));
        lines.push((name.clone(), batch.encode().to_vec()));
        outcomes.push((name, applied.outcomes[0].encode()));
    }
    golden("meta_batch.hex", &lines);
    golden("meta_outcome.hex", &outcomes);
    golden(
        "meta_rows.hex",
        &rows_of(&rows).into_iter().filter(|(name, _)| !name.starts_with("Slot")).collect::<Vec<_>>(),
    );
}
