//! Every bound, with its unit and its reason.

/// Bytes of a message's text: what people type, with room for a pasted stack trace; fits a client frame.
pub const MAX_TEXT_BYTES: usize = 16_384;
/// Bytes of a room's name: one line of a list.
pub const MAX_NAME_BYTES: usize = 128;
/// Bytes of a room's topic: a paragraph.
pub const MAX_TOPIC_BYTES: usize = 1_024;
/// Bytes of a reason: a paragraph for the record.
pub const MAX_REASON_BYTES: usize = 1_024;
/// Bytes of a token's subject: identity providers stay below 255.
pub const MAX_SUBJECT_BYTES: usize = 256;
/// Bytes of a token's issuer: a URL.
pub const MAX_ISSUER_BYTES: usize = 256;
/// Bytes of a token's id (`jti`).
pub const MAX_TOKEN_ID_BYTES: usize = 256;
/// Bytes of a node's name, site or address: a DNS name and a port.
pub const MAX_NODE_TEXT_BYTES: usize = 262;
/// Bytes of encoded content: every field at its bound, and their tags.
pub const MAX_CONTENT_BYTES: usize = MAX_TEXT_BYTES + MAX_NAME_BYTES + MAX_TOPIC_BYTES + MAX_REASON_BYTES + 32;
/// Bytes of sealed content: content, and what a cipher adds.
pub const MAX_SEALED_BYTES: usize = MAX_CONTENT_BYTES + 64;
/// Bytes of a nonce: the longest of the AEADs in use (XChaCha20, AES-GCM-SIV).
pub const MAX_NONCE_BYTES: usize = 24;
/// Commands in one Raft entry: what the proposer takes at once.
pub const MAX_BATCH_COMMANDS: usize = 1_024;
/// Bytes of one Raft entry, but for the command that crosses the bound: keeps replication frames short.
pub const MAX_BATCH_BYTES: usize = 256 * 1_024;
/// Commands in one entry of the meta group: it is rarely written.
pub const MAX_META_COMMANDS: usize = 256;
/// Bytes of a meta command: a founding with all nodes and shards.
pub const MAX_META_BYTES: usize = 256 * 1_024;
/// Entries in a page.
pub const MAX_PAGE: usize = 1_000;
/// Entries in a page when the caller does not say.
pub const DEFAULT_PAGE: usize = 100;
/// Bytes of content in a page, but for the entry that crosses the bound.
pub const MAX_PAGE_BYTES: usize = 1_024 * 1_024;
/// The age of the oldest view that a reader may ask for, milliseconds: who puts up with more wants a copy, not a room.
pub const MAX_STALENESS_MS: u32 = 60_000;
/// Members of a room: an announcement room of a large company.
pub const MAX_ROOM_MEMBERS: u64 = 100_000;
/// Spells of membership that a member row keeps; the oldest are forgotten, and their history is hidden again.
pub const MAX_INTERVALS: usize = 64;
/// Slots of the table that maps rooms and people to shards: 12 bits, many times the shards of any cluster.
pub const SLOTS: usize = 4_096;
/// Shards of a cluster, besides meta.
pub const MAX_SHARDS: usize = 1_024;
/// Nodes that a cluster remembers, those that are gone included.
pub const MAX_NODES: usize = 1_024;
/// Voters of a shard, while its membership changes: two disjoint sets of five.
pub const MAX_VOTERS: usize = 10;
/// Revoked tokens remembered until they expire.
pub const MAX_REVOKED_TOKENS: usize = 100_000;
/// Rooms that have left the shard of their slot.
pub const MAX_MOVED_ROOMS: usize = 1_000_000;
/// Rooms that one session follows.
pub const MAX_FOLLOWS: usize = 4_096;
/// Cursors in a hello.
pub const MAX_HELLO_CURSORS: usize = 1_000;
/// Bytes of a client's frame: a call with a text at its bound, JSON-escaped.
pub const MAX_FRAME_BYTES: usize = 64 * 1_024;
/// Bytes of a record leaf's preimage: C2SP entry bundles prefix entries with 16 bits, and headers are far smaller.
pub const MAX_LEAF_BYTES: usize = 4_096;
/// Leaf hashes in a row: the width of a C2SP tile.
pub const LEAVES_PER_ROW: u64 = 256;
/// Rooms that a shard keeps in memory: the hot ones, about 200 bytes each.
pub const CACHED_ROOMS: usize = 16_384;
/// Members that a shard keeps in memory, about 200 bytes each.
pub const CACHED_MEMBERS: usize = 65_536;
/// Microseconds by which a stamp may lead the clock before an alarm is raised.
pub const MAX_STAMP_LEAD_US: i64 = 5_000_000;
/// Seconds that a revoked token stays known after it expired: clocks differ.
pub const REVOKED_TOKEN_GRACE_S: i64 = 300;
/// Seconds that a revoked token stays known whose expiry nobody told: longer than any token should live.
pub const REVOKED_TOKEN_LIFE_S: i64 = 400 * 24 * 3_600;
