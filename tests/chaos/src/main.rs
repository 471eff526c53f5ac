//! `hansard-chaos run`: real `hansard` processes in network namespaces, each node's data on a filesystem of its own, under
//! faults that overlap; every client's history goes to `hansard-checker`. See docs/reliability.md.

mod args;
mod campaign;
mod claims;
mod damage;
mod drill;
mod dump;
mod faults;
mod host;
mod http;
mod inspect;
mod journal;
mod load;
mod members;
mod operator;
mod plan;
mod progress;
mod rig;
mod run;
mod scheduler;
mod signals;
mod slot;
mod supervisor;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use args::{Arguments, Command};
use clap::Parser;

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Dump(args) => dump::dump(&args).map(|()| ExitCode::SUCCESS),
        Command::Inspect(args) => inspect::inspect(&args.data),
        Command::Carry(args) => {
            host::wan::carry(&[args.from, args.to], Duration::from_millis(args.delay_ms)).map(|()| ExitCode::SUCCESS)
        }
        Command::Clean(place) => {
            host::clean::clean(&place.directory);
            Ok(ExitCode::SUCCESS)
        }
    }
}
