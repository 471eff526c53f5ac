//! Prints what is untidy, one finding a line, and fails if there is anything.

use std::process::ExitCode;

use xtask::{checks, tree::Tree};

fn main() -> anyhow::Result<ExitCode> {
    let findings = checks::all(&Tree::read(&Tree::root())?);
    for finding in &findings {
        println!("{finding}");
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
