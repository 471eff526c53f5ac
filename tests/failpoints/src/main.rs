//! `hansard-failpoints`: a cluster of real processes that are crashed, failed and delayed at each point of `hansard-failpoint`, one
//! after the other, while people talk. See docs/reliability.md.

mod args;
mod check;
mod cluster;
mod load;
mod plan;
mod process;
mod rounds;
mod run;
mod scenes;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

/// How long anything may take before the run fails: far beyond what is promised, so that no slow machine fails it.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<ExitCode> {
    run::run(&args::Args::parse())
}
