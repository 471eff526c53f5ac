//! Load tests over the client SDK, with correctness counted in the same run.
//!
//! Honest by construction: data on a real disk, random payloads, latency from the intended send time, warm-up left out,
//! drain counted, and everything that was acked read back. One thread makes the load, so that it costs the servers, which
//! share the machine's cores, as little as can be; it says so when that thread is the bottleneck.

mod append;
mod args;
mod book;
mod connect;
mod disk;
mod failover;
mod fanout;
mod fill;
mod history;
mod latency;
mod ledger;
mod meter;
mod payload;
mod preload;
mod process;
mod readback;
mod recovery;
mod report;
mod scrape;
mod target;

use anyhow::Result;

pub use args::{AppendArgs, ConnectArgs, FailoverArgs, FanoutArgs, HistoryArgs, LoadCommand, Output, RecoveryArgs};

/// Runs a load test and prints its report. Returns whether all messages were where they had to be, and every threshold
/// held. What it started is stopped, also after Ctrl-C.
pub fn run(command: LoadCommand) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            LoadCommand::Append(args) => append::run(args).await,
            LoadCommand::Fanout(args) => fanout::run(args).await,
            LoadCommand::Connect(args) => connect::run(args).await,
            LoadCommand::Failover(args) => failover::run(args).await,
            LoadCommand::History(args) => history::run(args).await,
            LoadCommand::Recovery(args) => recovery::run(args).await,
        }
    })
}
