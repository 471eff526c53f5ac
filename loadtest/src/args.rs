//! What the load tests take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};

/// How the report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}

/// The load tests.
#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Many publishers send to many rooms; everything acked is read back and compared.
    Append(AppendArgs),
    /// One room with many followers: how long a message takes to reach them all.
    Fanout(FanoutArgs),
    /// Many idle sessions: what each costs.
    Connect(ConnectArgs),
    /// Nodes are killed one after the other while people talk: how long each room is silent.
    Failover(FailoverArgs),
    /// Rooms full of messages: pages of them are read forwards and backwards, and each is checked.
    History(HistoryArgs),
    /// A node loses its disk while people talk: how fast its successor catches up, and what that costs them.
    Recovery(RecoveryArgs),
}

/// What every load test takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Start a cluster of processes for this test and stop it afterwards.
    #[arg(long)]
    pub dev: bool,
    /// With --dev: how many nodes.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..=9))]
    pub nodes: u16,
    /// With --dev: how many routers.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=8))]
    pub routers: u16,
    /// With --dev: how many shards.
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u16).range(1..=256))]
    pub shards: u16,
    /// With --dev: the directory under which a fresh data directory is made; on a real disk.
    #[arg(long, default_value = "./data/load", value_name = "DIR")]
    pub data: PathBuf,
    /// With --dev: keep the data directory.
    #[arg(long)]
    pub keep: bool,
    /// Without --dev: the ready file of a running `hansard dev`, whose processes are measured too.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Without --dev: routers of the cluster to load, separated by commas.
    #[arg(long, env = "HANSARD_ROUTER", value_delimiter = ',', value_name = "URL")]
    pub router: Vec<String>,
    /// Without --dev: the token that says who sends.
    #[arg(long, env = "HANSARD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Without --dev: a PEM file of the authorities to trust for https:// routers.
    #[arg(long, env = "HANSARD_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How long to measure, seconds.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// How long to run before measuring, seconds.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(0..=600))]
    pub warmup: u64,
    /// Makes the payloads repeatable.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Fail (exit code 99) when the 99th percentile of the latency is higher, milliseconds.
    #[arg(long, value_name = "MS")]
    pub max_p99_ms: Option<f64>,
    /// Fail when a message (or delivery, or connection) costs the servers more CPU, microseconds.
    #[arg(long, value_name = "US")]
    pub max_server_cpu_us: Option<f64>,
    /// Fail when fewer messages (or deliveries, or connections) a second get through.
    #[arg(long, value_name = "N")]
    pub min_rate: Option<f64>,
}

/// `hansard load append`
#[derive(Debug, Args)]
pub struct AppendArgs {
    /// Where, and for how long.
    #[command(flatten)]
    pub common: Common,
    /// How many rooms.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=100_000))]
    pub rooms: u32,
    /// How many sessions send.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    pub publishers: u32,
    /// How many messages each has under way.
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..=256))]
    pub inflight: u32,
    /// How long each text is, bytes.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(32..=16_384))]
    pub bytes: u32,
    /// Open loop: messages a second of all publishers together. Not given: closed loop, as fast as acks come.
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,
    /// Make so many rooms before, in which nobody talks while it is measured.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=10_000_000), value_name = "N")]
    pub preload_rooms: u32,
    /// Store so many messages before, shared out among those rooms, or 64 rooms of their own.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u64).range(0..=1_000_000_000), value_name = "N")]
    pub preload_messages: u64,
}

/// `hansard load fanout`
#[derive(Debug, Args)]
pub struct FanoutArgs {
    /// Where, and for how long.
    #[command(flatten)]
    pub common: Common,
    /// How many sessions follow the room.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=100_000))]
    pub followers: u32,
    /// Messages a second.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// How long each text is, bytes.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(32..=16_384))]
    pub bytes: u32,
}

/// `hansard load connect`
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Where, and for how long the sessions stand idle.
    #[command(flatten)]
    pub common: Common,
    /// How many sessions.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=200_000))]
    pub sessions: u32,
    /// How many connect at once.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=4_096))]
    pub at_once: u32,
}

/// `hansard load failover`
#[derive(Debug, Args)]
pub struct FailoverArgs {
    /// Where; only --dev will do.
    #[command(flatten)]
    pub common: Common,
    /// How many rooms, each with one sender.
    #[arg(long, default_value_t = 48, value_parser = value_parser!(u32).range(1..=1_000))]
    pub rooms: u32,
    /// How many times a node is killed; the nodes take turns.
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u32).range(1..=1_000))]
    pub kills: u32,
    /// Stop the nodes in order (SIGTERM), as for an upgrade, instead of killing them.
    #[arg(long)]
    pub drain: bool,
    /// Between an ack and the sender's next message, milliseconds.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u64).range(0..=10_000), value_name = "MS")]
    pub pause_ms: u64,
}

/// `hansard load history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Where, and for how long.
    #[command(flatten)]
    pub common: Common,
    /// How many rooms.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=100_000))]
    pub rooms: u32,
    /// How many messages each is filled with before.
    #[arg(long, default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub messages: u32,
    /// How long each text is, bytes.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(32..=16_384))]
    pub bytes: u32,
    /// How many sessions read, each one page after the other.
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..=10_000))]
    pub readers: u32,
    /// How many entries a page has.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1_000))]
    pub page: u32,
}

/// `hansard load recovery`
#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// Where (only --dev will do), and for how long acks are measured before and after.
    #[command(flatten)]
    pub common: Common,
    /// How many rooms, each with one sender.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    pub rooms: u32,
    /// How many messages they are filled with before.
    #[arg(long, default_value_t = 500_000, value_parser = value_parser!(u32).range(1..=1_000_000_000))]
    pub messages: u32,
    /// How long each text is, bytes.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(32..=16_384))]
    pub bytes: u32,
    /// Messages a second of all senders together, before, while the new node catches up, and after.
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: LoadCommand,
    }

    fn parse(line: &str) -> Result<LoadCommand, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    #[test]
    fn takes_the_documented_command() {
        let line = "load append --dev --nodes 3 --routers 1 --rooms 64 --publishers 64 --inflight 32 --bytes 200 \
                    --seconds 10 --output json";
        let Ok(LoadCommand::Append(append)) = parse(line) else { panic!() };
        assert!(append.common.dev && append.common.nodes == 3 && append.common.routers == 1);
        assert_eq!((append.rooms, append.publishers, append.inflight, append.bytes), (64, 64, 32, 200));
        assert_eq!((append.common.seconds, append.common.output), (10, Output::Json));
        assert!(append.rate.is_none());
    }

    #[test]
    fn refuses_what_has_no_bounds() {
        for line in
            ["load append --seconds 0", "load append --bytes 31", "load append --inflight 257", "load fanout --rate 0"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        let Ok(LoadCommand::Connect(connect)) = parse("load connect --sessions 5 --max-p99-ms 1.5") else { panic!() };
        assert_eq!((connect.sessions, connect.common.max_p99_ms), (5, Some(1.5)));
    }
}
