//! What sends cost in a shard's state machine: `cargo run --release -p hansard-domain --example apply_cost [commands [batches]]`.
//!
//! The work is the same in every run, so that instructions can be counted instead of time: all batches are made first, then decoded,
//! then decoded and applied, each step in a function of its own (`decode_all`, `apply_all`) for a profiler to look at:
//! `valgrind --tool=callgrind --toggle-collect='apply_cost::apply_all*' target/release/examples/apply_cost 64 200`. Valgrind
//! knows no SHA instructions: what it counts in `sha2` is another implementation's, and to be left out.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hansard_domain::{
    Action, Batch, Command, Content, MemRows, PersonId, RequestId, RoomId, Salt, Sealed, Shard, ShardId, Visibility,
};

/// Commands to a batch where nobody says: what a shard takes at once under a moderate and a high load.
const COMMANDS: [usize; 2] = [64, 180];
/// Sends to measure where nobody says how many batches.
const SENDS: usize = 64 * 1_024;
/// Batches before that: rooms, members and their requests get known.
const WARM_UP: usize = 32;
const ROOMS: u64 = 16;
/// Each of them speaks in all rooms, with a client of its own.
const PEOPLE: u64 = 64;
const TEXT_BYTES: usize = 200;

/// SplitMix64: dice that fall the same way each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]));
        bytes
    }

    fn text(&mut self) -> String {
        let letters: [u8; TEXT_BYTES] = self.bytes();
        letters.iter().map(|letter| char::from(b'a' + letter % 26)).collect()
    }
}

/// People in rooms, and what they will say.
struct Talk {
    dice: Dice,
    rooms: Vec<RoomId>,
    people: Vec<PersonId>,
    /// As the SDK draws them: the first half at random for each client, the second counts up.
    requests: Vec<(u64, u64)>,
    stamp_us: i64,
}

impl Talk {
    fn new() -> Self {
        let mut dice = Dice(1);
        let rooms = (0..ROOMS).map(|_| RoomId::from_bytes(dice.bytes())).collect();
        let people = (0..PEOPLE).map(|_| PersonId::from_bytes(dice.bytes())).collect();
        let requests = (0..PEOPLE).map(|_| (dice.next(), 0)).collect();
        Self { dice, rooms, people, requests, stamp_us: 1_700_000_000_000_000 }
    }

    fn command(&mut self, person: usize, action: Action, content: &Content) -> Command {
        let (client, count) = &mut self.requests[person];
        *count += 1;
        let request = (u128::from(*client) << 64 | u128::from(*count)).to_be_bytes();
        self.stamp_us += 7;
        Command {
            request: RequestId::from_bytes(request),
            actor: self.people[person],
            stamp_us: self.stamp_us,
            policy: 1,
            rule: 3,
            salt: Salt(self.dice.bytes()),
            content: Sealed::clear(content.encode()),
            action,
        }
    }

    /// Rooms, each with all the people.
    fn rooms(&mut self) -> Vec<Bytes> {
        let name = Content { name: Some("room".into()), ..Content::default() };
        let mut batches = Vec::new();
        for room in self.rooms.clone() {
            let create = Action::CreateRoom { room, visibility: Visibility::Public, peer: None };
            let mut commands = vec![self.command(0, create, &name)];
            for person in 1..self.people.len() {
                commands.push(self.command(person, Action::Join { room }, &Content::default()));
            }
            batches.push(Batch { commands }.encode());
        }
        batches
    }

    /// A batch of sends by anybody to any room, as it stands in the log.
    fn sends(&mut self, commands: usize) -> Bytes {
        let mut send = || {
            let (person, room) = (self.dice.next() % PEOPLE, self.dice.next() % ROOMS);
            let action = Action::SendMessage { room: self.rooms[room as usize] };
            let text = Content::text(self.dice.text());
            self.command(person as usize, action, &text)
        };
        Batch { commands: (0..commands).map(|_| send()).collect() }.encode()
    }
}

/// Says how many commands there are.
#[inline(never)]
fn decode_all(payloads: &[Bytes]) -> usize {
    payloads.iter().map(|payload| black_box(decode(payload)).commands.len()).sum()
}

fn decode(payload: &Bytes) -> Batch {
    Batch::decode(payload).expect("what was encoded can be decoded")
}

/// Decodes and applies; says how many rows of how many bytes came of it. Nothing is committed: all that sends ask for is remembered
/// by the shard.
#[inline(never)]
fn apply_all(shard: &mut Shard, payloads: &[Bytes]) -> (usize, usize) {
    let (rows, mut changes, mut bytes) = (MemRows::default(), 0, 0);
    for payload in payloads {
        let Ok(applied) = shard.apply(&rows, &[&decode(payload)]);
        changes += applied.changes.len();
        bytes += applied.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
    }
    (changes, bytes)
}

/// How long this thread has run, on a machine where others run too: the kernel's count, and elsewhere the clock's.
fn ran(since: Instant) -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn measure(commands: usize, batches: usize) {
    let Ok(mut shard) = Shard::load(ShardId::from_bytes([9; 16]), &MemRows::default());
    let mut talk = Talk::new();
    apply_all(&mut shard, &talk.rooms());
    let warm_up: Vec<Bytes> = (0..WARM_UP).map(|_| talk.sends(commands)).collect();
    apply_all(&mut shard, &warm_up);

    let payloads: Vec<Bytes> = (0..batches).map(|_| talk.sends(commands)).collect();
    let begun = Instant::now();
    let start = ran(begun);
    let sends = decode_all(&payloads);
    let between = ran(begun);
    let (changes, bytes) = apply_all(&mut shard, &payloads);
    let end = ran(begun);

    let each = |time: Duration| time.as_secs_f64() * 1e6 / sends as f64;
    println!("{sends} sends of {TEXT_BYTES} bytes, {commands} to a batch, by {PEOPLE} people in {ROOMS} rooms");
    let (decode, both) = (each(between - start), each(end - between));
    println!("  decode {decode:.2} us, apply {:.2} us per send", both - decode);
    let logged = payloads.iter().map(Bytes::len).sum::<usize>() / sends;
    let (changes, bytes) = (changes as f64 / sends as f64, bytes / sends);
    println!("  {logged} bytes in the log, {changes:.2} rows and {bytes} bytes in the state per send");
}

fn main() {
    let number = |at: usize| std::env::args().nth(at).map(|text| text.parse::<usize>().expect("a number"));
    match (number(1), number(2)) {
        (Some(commands), batches) => measure(commands, batches.unwrap_or(SENDS / commands)),
        _ => COMMANDS.iter().for_each(|commands| measure(*commands, SENDS / commands)),
    }
}
