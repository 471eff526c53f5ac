//! `hansard dev`: a cluster of processes on this machine.

mod ca;
mod control;
pub(crate) mod files;
mod layout;
mod people;
mod plan;
mod ports;
mod process;
mod ready;
mod run;
mod screen;
mod supervisor;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
pub(crate) use layout::Layout;

use crate::connect::Output;
use crate::exit::Exit;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevArgs {
    #[command(subcommand)]
    command: Option<DevCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How many nodes; they stand in boston, denver and bangalore in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64), value_name = "N")]
    nodes: u16,
    /// How many routers; they stand in boston and denver in turn.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64), value_name = "N")]
    routers: u16,
    /// How many shards to found the cluster with; an existing cluster keeps its own.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    shards: u16,
    #[command(flatten)]
    place: PlaceArgs,
    /// Write addresses, process ids and tokens to this file (JSON) once the cluster serves.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// End, with the whole cluster, when standard input ends; for programs that start a cluster through a pipe.
    #[arg(long)]
    exit_with_parent: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// The data directory. Remove it to begin anew.
    #[arg(long, default_value = "./data", value_name = "DIR")]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Start a process that died, or stop and start one that runs; returns when it is ready.
    Restart {
        /// The process, such as node2 or router1.
        name: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show the processes of the running cluster.
    Status {
        #[command(flatten)]
        place: PlaceArgs,
        /// How to write them.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print shell lines that make this shell speak for a person: eval "$(hansard dev env alice)".
    Env {
        /// alice (boston first) or bob (denver first).
        person: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// Runs the cluster, or talks to the one that runs.
pub(crate) async fn run(args: DevArgs) -> Result<Exit> {
    match args.command {
        None => run::run(args.run).await?,
        Some(DevCommand::Restart { name, place }) => {
            println!("{}", control::restart(&Layout::new(&place.data), &name).await?);
        }
        Some(DevCommand::Status { place, output }) => {
            screen::status(&control::status(&Layout::new(&place.data)).await?, output)?;
        }
        Some(DevCommand::Env { person, place }) => {
            print!("{}", people::environment(&place.data, &person)?)
        }
    }
    Ok(Exit::Ok)
}
