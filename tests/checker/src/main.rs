//! `hansard-checker [--parts N] PATHS`: checks the histories of a run; the last line is the verdict.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hansard_checker::{Violation, check_files};

/// Decides from histories whether a cluster kept its promises.
#[derive(Parser)]
struct Arguments {
    /// Look at so many parts of the rooms one after the other: less memory, more reading.
    #[arg(long, default_value_t = 1)]
    parts: u32,
    /// Histories, or directories of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let summary = check_files(&arguments.paths, arguments.parts)?;
    let report = &summary.report;
    print!("{report}");
    println!(
        "checked {} entries on {} replicas, {} events of subscribers; {} sends were refused, of {} the outcome is unknown",
        summary.entries, summary.replicas, summary.events, summary.refused, summary.unknown
    );
    println!(
        "acked={} lost={} doubled={} reordered={} phantom={} others={}",
        summary.acked,
        report.count(Violation::Lost),
        report.count(Violation::Doubled),
        report.count(Violation::Reordered),
        report.count(Violation::Phantom),
        report.others(),
    );
    Ok(if report.total() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
