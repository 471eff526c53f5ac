//! Runs this program under callgrind, and reads what it counted.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::figures::{Figure, Figures};
use crate::place::Place;

/// The instructions that each workload takes for an operation.
pub(crate) fn count() -> Result<Figures> {
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind", "--collect-atstart=no"]);
    command.arg("--toggle-collect=hansard_instructions::workload::counted*");
    command.arg("--dump-before=hansard_instructions::workload::written_down*");
    command.arg(format!("--callgrind-out-file={}", directory.path().join("out").display()));
    command.arg(std::env::current_exe()?).arg("--run");
    let said = command.output().context("valgrind does not start; install it (make deps-test)")?;
    ensure!(said.status.success(), "the workloads failed: {}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).context("the workloads' names")?;
    let mut lines = said.lines().filter_map(|line| line.split_once('\t'));
    let Some(("features", features)) = lines.next() else { bail!("the workloads do not say where they ran") };
    let mut figures = Vec::new();
    for ((name, operations), number) in lines.zip(1..) {
        let counted = read_dump(&directory.path().join(format!("out.{number}")))?;
        let operations: u64 = operations.parse().with_context(|| format!("operations of {name}"))?;
        ensure!(counted > 0 && operations > 0, "callgrind counted nothing of {name}");
        figures.push(Figure { name: name.to_owned(), instructions: counted.div_ceil(operations) });
    }
    Ok(Figures { place: Place::here(features), figures })
}

fn read_dump(path: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("callgrind wrote no {}", path.display()))?;
    total(&text).with_context(|| format!("callgrind's {} has no total", path.display()))
}

/// All instructions of a dump.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_dump() {
        assert_eq!(total("version: 1\nevents: Ir\nsummary: 1234\n\nfn=(1) a\n5 7\n"), Some(1_234));
        assert_eq!(total("fn=(1) a\n5 7\n\ntotals: 99\n"), Some(99));
        assert_eq!(total("version: 1\n"), None);
    }
}
