//! What can be asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs a cluster of real processes under faults, and proves from histories what it kept.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load, faults, heal, check; the last line is the verdict. Needs root.
    Run(Run),
    /// Write the record of a stopped node as a history.
    Dump(Dump),
    /// Open the data of a stopped node as it does, and say what it holds.
    Inspect(Inspect),
    /// Carry frames between two TAP interfaces, late.
    Carry(Carry),
    /// Remove what a run that was killed has left on this machine.
    Clean(Place),
}

/// Where a run's volumes, logs and histories are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// A directory on a disk with some 20 GB to spare.
    #[arg(long, default_value = "/var/tmp/hansard-chaos", env = "CHAOS_DIR", value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The program under test.
    #[arg(long, value_name = "FILE")]
    pub(crate) hansard: PathBuf,
    /// How long faults are planned for.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) minutes: f64,
    /// What the schedule is drawn from [default: the clock].
    #[arg(long, env = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Seconds from one fault to the next.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) every: f64,
    /// Messages that the senders try to send per second, all together.
    #[arg(long, default_value_t = 400, env = "RATE")]
    pub(crate) rate: u64,
    /// Not many kinds at once, but one again and again, each as soon as the cluster is well again; or `corruption`.
    #[arg(long, env = "CAMPAIGN", value_name = "KIND")]
    pub(crate) campaign: Option<String>,
    /// A campaign ends after so many faults, or after its minutes.
    #[arg(long, default_value_t = u64::MAX, env = "COUNT", hide_default_value = true)]
    pub(crate) count: u64,
    /// Only these kinds of faults, separated by commas [default: all].
    #[arg(long, value_delimiter = ',', env = "ONLY")]
    pub(crate) only: Vec<String>,
    /// Kinds that may fail to take hold, separated by commas.
    #[arg(long, value_delimiter = ',', env = "ALLOW_SKIP")]
    pub(crate) allow_skip: Vec<String>,
    /// How often the leader of most shards is killed in a cluster that is well, to measure how soon it is replaced.
    #[arg(long, default_value_t = 5)]
    pub(crate) drills: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Dump {
    /// The node's data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The name that the history gets.
    #[arg(long)]
    pub(crate) name: String,
    /// Where the history goes.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The node's data directory, which is changed as a start of the node would change it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Carry {
    /// How long frames are held, each way.
    #[arg(long)]
    pub(crate) delay_ms: u64,
    /// One interface.
    pub(crate) from: String,
    /// The other.
    pub(crate) to: String,
}
