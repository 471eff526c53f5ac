//! A room shard on rows in memory, for the tests beneath the commands.

use crate::batch::Batch;
use crate::command::{Action, Command};
use crate::content::Content;
use crate::entry::{Entry, RoomEvent};
use crate::event::{Body, ContentState, EventRow};
use crate::ids::{PersonId, RequestId, RoomId, ShardId};
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::read::{HistoryRequest, Page, history};
use crate::refusal::Refusal;
use crate::room::{Role, Visibility};
use crate::rows::MemRows;
use crate::sealed::{Salt, Sealed};
use crate::shard::Shard;

pub(crate) const SHARD: ShardId = ShardId::from_bytes([0x5a; 16]);
pub(crate) const ROOM: RoomId = RoomId::from_bytes([0x10; 16]);
pub(crate) const ANN: PersonId = PersonId::from_bytes([0xa1; 16]);
pub(crate) const BOB: PersonId = PersonId::from_bytes([0xb2; 16]);
pub(crate) const CID: PersonId = PersonId::from_bytes([0xc3; 16]);

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) rows: MemRows,
    pub(crate) events: Vec<RoomEvent>,
    drawn: u64,
}

/// A command whose dice are its number.
pub(crate) fn command(drawn: u64, actor: PersonId, action: Action, content: &Content) -> Command {
    let mut request = [0; 16];
    request[8..].copy_from_slice(&drawn.to_be_bytes());
    let mut salt = [7; 32];
    salt[..8].copy_from_slice(&drawn.to_be_bytes());
    Command {
        request: RequestId::from_bytes(request),
        actor,
        stamp_us: 1_700_000_000_000_000 + drawn as i64 * 10,
        policy: 1,
        rule: 0,
        salt: Salt(salt),
        content: Sealed::clear(content.encode()),
        action,
    }
}

/// The stored form of a message.
pub(crate) fn row(content: &Content) -> EventRow {
    EventRow {
        index: 1,
        time_us: 2,
        kind: Kind::Message,
        actor: ANN,
        request: RequestId::from_bytes([3; 16]),
        policy: 1,
        rule: 3,
        person: None,
        target: None,
        role: None,
        visibility: None,
        messages: 1,
        changed_by: 0,
        state: ContentState::Shown,
        body: Body::Kept { salt: Salt([7; 32]), content: Sealed::clear(content.encode()) },
    }
}

pub(crate) fn named(name: &str) -> Content {
    Content { name: Some(name.to_owned()), ..Content::default() }
}

impl World {
    pub(crate) fn empty() -> Self {
        let rows = MemRows::default();
        let Ok(shard) = Shard::load(SHARD, &rows);
        Self { shard, rows, events: Vec::new(), drawn: 0 }
    }

    /// With `ROOM`, owned by Ann.
    pub(crate) fn with_room(visibility: Visibility) -> Self {
        let mut world = Self::empty();
        let create = Action::CreateRoom { room: ROOM, visibility, peer: None };
        assert_eq!(world.run(ANN, create, &named("room")), Ok(1));
        world
    }

    /// With a private `ROOM`, owned by Ann, where Bob has this role from seq 2 on.
    pub(crate) fn with_bob(role: Role) -> Self {
        let mut world = Self::with_room(Visibility::Private);
        assert_eq!(world.act(ANN, Action::Invite { room: ROOM, person: BOB, role }), Ok(2));
        world
    }

    pub(crate) fn apply(&mut self, commands: Vec<Command>) -> Vec<Outcome> {
        let batch = Batch { commands };
        let Ok(applied) = self.shard.apply(&self.rows, &[&batch]);
        self.rows.commit(&applied.changes);
        self.events.extend(applied.news.events(&[batch]));
        applied.outcomes
    }

    /// Runs one command alone; says the seq, or why not.
    pub(crate) fn run(&mut self, actor: PersonId, action: Action, content: &Content) -> Result<u64, Refusal> {
        self.drawn += 1;
        let outcome = self.apply(vec![command(self.drawn, actor, action, content)])[0];
        match outcome {
            Outcome::Committed { seq, repeated, .. } => {
                assert!(!repeated || matches!(action, Action::CreateRoom { .. }), "a new request is new");
                Ok(seq)
            }
            Outcome::Refused(refusal) => Err(refusal),
        }
    }

    pub(crate) fn act(&mut self, actor: PersonId, action: Action) -> Result<u64, Refusal> {
        self.run(actor, action, &Content::default())
    }

    pub(crate) fn say(&mut self, actor: PersonId, text: &str) -> Result<u64, Refusal> {
        self.run(actor, Action::SendMessage { room: ROOM }, &Content::text(text))
    }

    pub(crate) fn page(&self, person: PersonId, after: u64) -> Result<Page, Refusal> {
        let request = HistoryRequest { after, before: 0, limit: 1_000, limit_bytes: 1 << 20, from_now: false };
        let Ok(page) = history(&self.rows, person, ROOM, &request);
        page
    }

    pub(crate) fn seqs(&self, person: PersonId) -> Vec<u64> {
        self.page(person, 0).map(|page| page.entries.iter().map(|e| e.seq).collect()).unwrap_or_default()
    }

    pub(crate) fn entry(&self, person: PersonId, seq: u64) -> Entry {
        self.page(person, seq - 1).expect("a page").entries.swap_remove(0)
    }

    pub(crate) fn text(&self, person: PersonId, seq: u64) -> Option<String> {
        Content::decode(&self.entry(person, seq).content).expect("content").text
    }

    /// The shard as one who starts now finds it.
    pub(crate) fn reload(&mut self) {
        let Ok(shard) = Shard::load(SHARD, &self.rows);
        assert_eq!(shard.record_root(), self.shard.record_root());
        self.shard = shard;
    }
}
