//! Other programs, for what they do better than system calls.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command line, whose words are parted by spaces; what it printed.
///
/// # Errors
/// When it cannot be started, or fails; with what it said.
pub(crate) fn sh(line: &str) -> Result<String> {
    feed(line, "")
}

/// The same, with an input.
pub(crate) fn feed(line: &str, input: &str) -> Result<String> {
    let (success, said) = run(line, input)?;
    if !success {
        bail!("`{line}` failed: {}", said.trim());
    }
    Ok(said)
}

/// Runs a command line whose failure is no news, such as the removal of what may be gone.
pub(crate) fn attempt(line: &str) {
    // It says nothing that anybody needs.
    let _ = run(line, "");
}

fn run(line: &str, input: &str) -> Result<(bool, String)> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for the harness alone: nothing must break off half-way.
        .process_group(0)
        .spawn()
        .with_context(|| format!("{program} cannot be run; scripts/deps.sh test installs it"))?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
