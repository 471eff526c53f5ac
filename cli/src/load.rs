//! `hansard load`: load tests, over the SDK alone.

use anyhow::Result;
use hansard_loadtest::LoadCommand;

use crate::exit::Exit;

/// Runs a load test on a thread and a runtime of its own. A broken promise or threshold has an exit code of its own.
pub(crate) fn run(command: LoadCommand) -> Result<Exit> {
    Ok(if hansard_loadtest::run(command)? { Exit::Ok } else { Exit::Threshold })
}
