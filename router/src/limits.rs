//! The router's own bounds; those of the client contract are in `hansard_domain::limits`.

use std::time::Duration;

use hansard_domain::limits::{MAX_NAME_BYTES, MAX_PAGE, MAX_PAGE_BYTES, MAX_SEALED_BYTES, MAX_TOPIC_BYTES};
use serde::{Deserialize, Serialize};

/// How long a connection may take to say hello.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a client should ping.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Silence after which a session is dead.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that takes nothing for so long is cut.
pub const STALLED_TIMEOUT: Duration = Duration::from_secs(30);
/// So is one that does not take in so long all that waited for it, if that is more than [`BACKLOG_BYTES`].
pub const BACKLOG_TIMEOUT: Duration = Duration::from_secs(90);
/// What may wait for a client that takes something now and then, bytes: more than its follows alone leave there, which are
/// a full queue, [`MAX_PAGES`] pages, and the live entries that are taken at once; unless JSON escapes much of them.
pub const BACKLOG_BYTES: usize = 3 << 20;
/// Longest agent string in a hello, bytes.
pub const MAX_AGENT_BYTES: usize = 128;
/// Longest token, bytes; ours are below 1 KiB, those of large identity providers below 8.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;

/// Sends and read marks that one session may have under way.
pub const MAX_SENDS: usize = 256;
/// Calls that one session may have under way.
pub const MAX_CALLS: usize = 64;
/// History pages that one session may have under way.
pub const MAX_PAGES: usize = 8;
/// Entries in one such page.
pub const PAGE_ENTRIES: u32 = 256;
/// Content bytes in one such page.
pub const PAGE_BYTES: u32 = 128 << 10;
/// Pages (of history, and lists) that one person may have under way at one shard, over all sessions and calls: a quarter of
/// those that a node takes from a router, so that others always find room.
pub const PAGES_PER_PERSON: usize = 64;
/// How long a follow waits before it asks for a page again that could not be had.
pub const PAGE_RETRY: Duration = Duration::from_millis(250);
/// Malformed frames that a session survives.
pub const MAX_MALFORMED: u32 = 32;

/// Frames that wait for a client before its follows pause and replay from storage later.
pub const OUTBOUND_FRAMES: usize = 256;
/// Their bytes.
pub const OUTBOUND_BYTES: usize = 256 << 10;
/// Frames that wait for a client before the router stops reading from it.
pub const OUTBOUND_HARD_FRAMES: usize = 4_096;
/// Their bytes, beyond which no call of the client starts either; what is under way by then may cross it.
pub const OUTBOUND_HARD_BYTES: usize = 4 << 20;
/// Bytes that a call for a list may be answered with, but for what JSON escapes: so many of them are under way at once as have room.
pub const CALL_RESERVE: usize = 1 << 20;
/// Soft state (typing, presence, read marks) that waits for a session; more is dropped, and typing while the client is slow.
pub const INBOX_SIGNALS: usize = 128;

/// Bytes of the largest frame that is sent: a page of history, or of rooms, in JSON, which writes a control character in
/// six bytes. Far less in protobuf.
pub const REPLY_BYTES: usize = {
    let history = JSON_ESCAPE * (MAX_PAGE_BYTES + MAX_SEALED_BYTES);
    let rooms = JSON_ESCAPE * MAX_PAGE * (MAX_NAME_BYTES + MAX_TOPIC_BYTES);
    MAX_PAGE * JSON_ITEM_BYTES + if history > rooms { history } else { rooms }
};
/// Bytes of one that JSON escapes.
const JSON_ESCAPE: usize = 6;
/// Bytes of an item in JSON but for its texts: names of fields, ids, times.
const JSON_ITEM_BYTES: usize = 1 << 10;

/// Entries that a hub keeps for a room's followers.
pub const RING_ENTRIES: usize = 512;
/// Their bytes.
pub const RING_BYTES: usize = 1 << 20;
/// The bytes of all rooms' together, unless configured.
pub const RINGS_BYTES: usize = 256 << 20;
/// How long a subscription may stay unanswered before it is made again.
pub const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Followers of a room on one router beyond which presence is not delivered there: it would cost their square.
pub const PRESENCE_FOLLOWERS: usize = 512;
/// Rooms that hear of one change of a person's presence.
pub const PRESENCE_ROOMS: usize = 64;
/// How often one person's typing is passed on in one room.
pub const TYPING_INTERVAL: Duration = Duration::from_secs(1);
/// How often changes of one person's presence are passed on.
pub const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);
/// People whose presence is remembered.
pub const PRESENCES: usize = 131_072;

/// Items that wait for a link.
pub const LINK_QUEUE: usize = 8_192;
/// Calls under way on one link.
pub const LINK_CALLS: usize = 16_384;
/// Items in one batch on a link.
pub const BATCH_ITEMS: usize = 1_024;
/// Bytes in one batch on a link; well below gRPC's 4 MiB decoding limit.
pub const BATCH_BYTES: usize = 1 << 20;
/// How long the router tries to get one call answered.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the leader of meta is looked for to confirm the cluster's status. Beyond an election, so that only a cluster in
/// trouble answers without.
pub const STATUS_CONFIRM: Duration = Duration::from_secs(3);
/// How long each node has then to say what it knows.
pub const STATUS_KNOWN: Duration = Duration::from_secs(1);
/// Shortest and longest pause between two tries of a call.
pub const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// Shortest and longest pause between two tries of a link.
pub const LINK_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(1_000));

/// Age of the directory beyond which nobody is admitted.
pub const DIRECTORY_STALE: Duration = Duration::from_secs(10);
/// Age of the directory beyond which sessions are closed.
pub const DIRECTORY_DEAD: Duration = Duration::from_secs(30);

/// People kept in the login cache.
pub const PEOPLE_CACHE: usize = 65_536;
/// Difference of clocks that is forgiven in a token's times, seconds.
pub const TOKEN_LEEWAY_S: i64 = 5;
/// How often key files are looked at.
pub const JWKS_FILE_INTERVAL: Duration = Duration::from_secs(2);
/// How often keys are fetched from a URL.
pub const JWKS_URL_INTERVAL: Duration = Duration::from_secs(300);
/// Least time between two fetches for unknown key ids.
pub const JWKS_UNKNOWN_INTERVAL: Duration = Duration::from_secs(10);
/// Largest key set, bytes.
pub const JWKS_BYTES: usize = 256 << 10;

/// (person, reason) pairs of refusals that wait to be reported; more are counted in metrics only.
pub const REFUSALS: usize = 4_096;
/// Reports in one round.
pub const REFUSALS_ROUND: usize = 64;
/// Time between rounds.
pub const REFUSALS_INTERVAL: Duration = Duration::from_secs(5);

/// Frames of one connection that wait for HTTP/2: as many acks as often come together.
pub const GRPC_FRAMES: usize = 128;
/// Their bytes; one frame may cross it.
pub const GRPC_BYTES: usize = 64 << 10;
/// Largest HTTP header list, bytes.
pub const HEADER_BYTES: u32 = 32 << 10;
/// Age at which a gRPC connection takes no more streams, and ends with its last one: at once if it has none. Sessions go on, and
/// clients open another connection by themselves; nobody holds one for nothing.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// HTTP/2 streams per connection.
pub const STREAMS: u32 = 256;
/// HTTP/2 streams that were reset before they were accepted, per connection.
pub const PENDING_RESETS: usize = 32;
/// Unary calls under way on the router.
pub const UNARY_CALLS: usize = 4_096;
/// Of these, of one person.
pub const UNARY_CALLS_PER_PERSON: usize = 64;
/// How long a unary call's body may take to come, from the time when its head is admitted.
pub const UNARY_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest unary call.
pub const UNARY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an HTTP/1 client may take to send its request's head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Frames that a follow counts as, also one by a cursor of a hello. A burst has room for all that a session may follow.
pub const FOLLOW_COST: u32 = 10;

/// How fast people may go. Generous: they keep a runaway client from starving others, and are no quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Frames per second of one session; a follow counts as [`FOLLOW_COST`].
    pub session_per_second: u32,
    /// Frames that a session may send at once after a pause.
    pub session_burst: u32,
    /// Frames and unary calls per second of one person on this router.
    pub person_per_second: u32,
    /// Those that a person may send at once after a pause.
    pub person_burst: u32,
    /// Sessions of one person on this router.
    pub person_sessions: usize,
    /// Sessions on this router.
    pub sessions: usize,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            session_per_second: 50_000,
            session_burst: 50_000,
            person_per_second: 500_000,
            person_burst: 500_000,
            person_sessions: 20_000,
            sessions: 200_000,
        }
    }
}
