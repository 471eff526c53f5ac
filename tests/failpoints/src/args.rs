//! What can be asked for.

use std::path::PathBuf;

use clap::Parser;

/// Crashes, fails and delays real processes at every durable step and every ack, and proves from histories what was kept.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The program under test, built with the feature `failpoints`.
    #[arg(long, value_name = "FILE")]
    pub(crate) hansard: PathBuf,
    /// The program that writes a node's record as a history: `hansard-chaos`.
    #[arg(long, value_name = "FILE")]
    pub(crate) chaos: PathBuf,
    /// What the nodes, the order of the points and the passings are drawn from.
    #[arg(long, default_value_t = 1, env = "SEED")]
    pub(crate) seed: u64,
    /// Only these points, or all of these scenes (`talk`, `behind`), separated by commas [default: all].
    #[arg(long, value_delimiter = ',', env = "ONLY")]
    pub(crate) only: Vec<String>,
}
