//! How many instructions the hot paths take: fixed workloads under callgrind, compared with the figures in `figures.txt`. No
//! other work on the machine and no slow hour changes them, so that a few per cent are seen which no timing would show.
//!
//! `hansard-instructions` compares, `hansard-instructions --write` takes over what it finds.

mod callgrind;
mod figures;
mod place;
mod workload;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use figures::{Figures, Verdict};

#[derive(Parser)]
#[command(about = "Counts the instructions of the hot paths and compares them with figures of record")]
struct Args {
    /// Take over what is found as the figures of record.
    #[arg(long)]
    write: bool,
    /// The figures of record.
    #[arg(long, default_value = "tests/instructions/figures.txt", value_name = "FILE")]
    figures: PathBuf,
    /// Runs the workloads; what callgrind looks at.
    #[arg(long, hide = true)]
    run: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if args.run {
        workload::run_all(workloads::ALL);
        return Ok(ExitCode::SUCCESS);
    }
    if !cfg!(target_arch = "x86_64") {
        println!("instructions: cannot compare: the figures are of x86-64");
        return Ok(ExitCode::SUCCESS);
    }
    let found = callgrind::count()?;
    if args.write {
        std::fs::write(&args.figures, found.to_text())
            .with_context(|| format!("cannot write {}", args.figures.display()))?;
        println!("{}wrote {}", found.to_text(), args.figures.display());
        return Ok(ExitCode::SUCCESS);
    }
    let text = std::fs::read_to_string(&args.figures)
        .with_context(|| format!("cannot read {}; run it where the repository is", args.figures.display()))?;
    let known = Figures::from_text(&text).context("the figures of record")?;
    print!("{}", found.table(&known));
    let verdict = found.verdict(&known);
    println!("instructions: {verdict}");
    Ok(if matches!(verdict, Verdict::More(_)) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
