//! What a send costs in apply: `cargo run --release -p hansard-domain --example apply_cost`.

use std::time::{Duration, Instant};

use hansard_domain::{
    Action, Batch, Command, Content, MemRows, PersonId, RequestId, RoomId, Salt, Sealed, Shard, ShardId, Visibility,
};

const BATCHES: u64 = 2_000;
const COMMANDS: u64 = 64;
const ROOMS: u64 = 16;

fn id(n: u64) -> [u8; 16] {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

fn command(n: u64, action: Action, content: &Content) -> Command {
    Command {
        request: RequestId::from_bytes(id(n)),
        actor: PersonId::from_bytes(id(n % ROOMS + 1)),
        stamp_us: n as i64,
        policy: 1,
        rule: 3,
        salt: Salt([n as u8; 32]),
        content: Sealed::clear(content.encode()),
        action,
    }
}

fn main() {
    let mut rows = MemRows::default();
    let Ok(mut shard) = Shard::load(ShardId::from_bytes([9; 16]), &rows);
    let room = |n: u64| RoomId::from_bytes(id(n % ROOMS + 1));
    let name = Content { name: Some("room".into()), ..Content::default() };
    let create =
        |n| command(n, Action::CreateRoom { room: room(n), visibility: Visibility::Private, peer: None }, &name);
    let Ok(applied) = shard.apply(&rows, &[&Batch { commands: (0..ROOMS).map(create).collect() }]);
    rows.commit(&applied.changes);
    let text = Content::text("x".repeat(200));
    let (mut decode, mut apply) = (Duration::ZERO, Duration::ZERO);
    let (mut logged, mut bytes, mut changes) = (0, 0, 0);
    for batch in 1..=BATCHES {
        let send = |n| command(batch * COMMANDS + n, Action::SendMessage { room: room(n) }, &text);
        let payload = Batch { commands: (0..COMMANDS).map(send).collect() }.encode();
        logged += payload.len();
        let start = Instant::now();
        let decoded = Batch::decode(&payload).expect("what was encoded can be decoded");
        decode += start.elapsed();
        let start = Instant::now();
        let Ok(applied) = shard.apply(&rows, &[&decoded]);
        apply += start.elapsed();
        changes += applied.changes.len();
        bytes += applied.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        rows.commit(&applied.changes);
    }
    let sends = BATCHES * COMMANDS;
    println!("{sends} sends of 200 bytes in batches of {COMMANDS}");
    println!(
        "decode {:.2} us, apply {:.2} us per send",
        decode.as_secs_f64() * 1e6 / sends as f64,
        apply.as_secs_f64() * 1e6 / sends as f64
    );
    println!(
        "{} bytes in the log, {:.2} rows and {} bytes in the state per send",
        logged as u64 / sends,
        changes as f64 / sends as f64,
        bytes as u64 / sends
    );
}
