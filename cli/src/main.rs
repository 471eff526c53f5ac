//! The one binary, `hansard`: servers, a cluster for development, and the commands of people and operators.

mod args;
mod client;
mod connect;
mod dev;
mod exit;
mod load;
mod serve;
mod token;

use std::process::ExitCode;

use anyhow::Result;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::Exit;

const _: () = assert!(!hansard_domain::bug::PLANTED, "bugs that are planted for the simulation must not ship");

/// Messages are many small allocations that are freed by other threads than made them: glibc's allocator took a fifth of a
/// router's time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap itself ends the process with 2 (usage) or, for --help, 0.
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            eprintln!("hansard: {error:#}");
            if let Some(advice) = client::advice(&error) {
                eprintln!("  {advice}");
            }
            exit.into()
        }
    }
}

fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Node(args) => runtime(serve::node::run(*args)),
        Command::Router(args) => runtime(serve::router::run(*args)),
        Command::Dev(args) => runtime(dev::run(args)),
        Command::Token(command) => runtime(token::run(command)),
        Command::Client(command) => runtime(client::run(command)),
        Command::Load(command) => load::run(command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "hansard", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
    }
}

fn runtime(work: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
