//! What the client commands take.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::connect::{ConnectArgs, RepeatArgs};

/// The commands that talk to a router.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create rooms, and govern who is in them.
    Room(RoomArgs),
    /// Open the direct room of you and somebody else.
    Dm(DmArgs),
    /// Say something in a room; prints the room, seq and time once it is committed.
    Send(SendArgs),
    /// Show what happens in a room, from its first entry on.
    Tail(TailArgs),
    /// Show a part of a room's history.
    History(HistoryArgs),
    /// Put a new text in the place of one of your messages.
    Edit(EditArgs),
    /// Hide a message.
    Redact(RedactArgs),
    /// Mark a room as read up to a seq.
    Read(ReadArgs),
    /// Show how many messages you have not read.
    Unread(UnreadArgs),
    /// List all people.
    People(PeopleArgs),
    /// See and change the cluster.
    Cluster(ClusterArgs),
}

/// `room …`
#[derive(Debug, Args)]
pub(crate) struct RoomArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(subcommand)]
    pub(crate) command: RoomCommand,
}

/// What to do with rooms. A PERSON is an id (32 hexadecimal digits) or the subject of the person's tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Create a room; prints its id.
    Create {
        /// Its name, 1 to 128 bytes.
        name: String,
        /// Everybody may find and join it; private otherwise.
        #[arg(long)]
        public: bool,
        /// What it is about.
        #[arg(long, default_value = "")]
        topic: String,
    },
    /// List your rooms, or the public ones.
    List {
        /// Public rooms, whether you are in them or not.
        #[arg(long)]
        public: bool,
    },
    /// Enter a public room.
    Join {
        /// The room's id.
        room: String,
    },
    /// Leave a room.
    Leave {
        /// The room's id.
        room: String,
    },
    /// List a room's members.
    Members {
        /// The room's id.
        room: String,
    },
    /// Make somebody a member at once.
    Invite {
        /// The room's id.
        room: String,
        /// Whom: an id, or the subject of the person's tokens, who may not have come yet.
        person: String,
        /// The role to give.
        #[arg(long, value_enum, default_value_t = RoleName::Member)]
        role: RoleName,
    },
    /// Remove a member.
    Remove {
        /// The room's id.
        room: String,
        /// Whom: an id, or the subject of the person's tokens.
        person: String,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Change a member's role.
    Role {
        /// The room's id.
        room: String,
        /// Whom: an id, or the subject of the person's tokens.
        person: String,
        /// The new role.
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Change the topic.
    Topic {
        /// The room's id.
        room: String,
        /// The new topic.
        topic: String,
    },
}

/// A member's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Reads, speaks, and governs the room.
    Owner,
    /// Reads and speaks.
    Member,
    /// Reads and speaks; can't invite.
    Guest,
}

/// `dm PERSON`
#[derive(Debug, Args)]
pub(crate) struct DmArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The other person: an id, or the subject of the person's tokens.
    pub(crate) person: String,
}

/// `send ROOM TEXT`
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The room's id.
    pub(crate) room: String,
    /// What to say; `-` sends each line of standard input.
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
}

/// `tail ROOM`
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    /// The room's id.
    pub(crate) room: String,
    /// Where to start: `now`, or a seq; the first entry if not said.
    #[arg(long, value_parser = parse_from, default_value = "1", value_name = "now|SEQ")]
    pub(crate) from: TailFrom,
    /// Stop after so many events.
    #[arg(long)]
    pub(crate) count: Option<u64>,
}

/// Where a tail starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TailFrom {
    /// With what happens from now on.
    Now,
    /// At this seq.
    Seq(u64),
}

fn parse_from(text: &str) -> Result<TailFrom, String> {
    match text {
        "now" => Ok(TailFrom::Now),
        number => number.parse().map(TailFrom::Seq).map_err(|_| "write `now` or a seq such as 17".to_owned()),
    }
}

/// `history ROOM`
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    /// The room's id.
    pub(crate) room: String,
    /// The oldest events above this seq.
    #[arg(long, conflicts_with = "before")]
    pub(crate) after: Option<u64>,
    /// The newest events below this seq.
    #[arg(long)]
    pub(crate) before: Option<u64>,
    /// How many events.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Seconds, such as 0.5, at most 60: a view of this age will do, which a node at the router's site may have. How old it is, is
    /// told on stderr.
    #[arg(long, value_name = "SECONDS", value_parser = parse_age)]
    pub(crate) max_staleness: Option<Duration>,
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=60.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "write seconds from 0.001 to 60".to_owned())
}

/// `edit ROOM SEQ TEXT`
#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The room's id.
    pub(crate) room: String,
    /// The message's seq.
    pub(crate) seq: u64,
    /// The new text.
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
}

/// `redact ROOM SEQ`
#[derive(Debug, Args)]
pub(crate) struct RedactArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The room's id.
    pub(crate) room: String,
    /// The message's seq.
    pub(crate) seq: u64,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

/// `read ROOM SEQ`
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The room's id.
    pub(crate) room: String,
    /// All up to here is read.
    pub(crate) seq: u64,
}

/// `unread [ROOM...]`
#[derive(Debug, Args)]
pub(crate) struct UnreadArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    /// Which rooms; all of yours if not said.
    pub(crate) rooms: Vec<String>,
}

/// `people`
#[derive(Debug, Args)]
pub(crate) struct PeopleArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
}

/// `cluster …`
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) options: ConnectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

/// What to do with the cluster. A NODE is an id or a name; a SHARD is an id, an ordinal, or `meta`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show nodes, shards, and who leads what.
    Status,
    /// Give a standby node its share of the shards.
    Join {
        /// The node's id or name.
        node: String,
    },
    /// Move every replica off a node, then remove it for good.
    Decommission {
        /// The node's id or name.
        node: String,
    },
    /// Hand a shard's leadership to another voter.
    Transfer {
        /// The shard's id or name.
        shard: String,
        /// Who should lead: a node's id or name.
        to: String,
    },
    /// Move a shard's replica from one node to another.
    Move {
        /// The shard's id or name.
        shard: String,
        /// The node to retire, by id or name.
        from: String,
        /// The node to take its place, by id or name.
        to: String,
    },
}
