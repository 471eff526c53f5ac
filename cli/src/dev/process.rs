//! One child process.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::layout::Layout;
use super::plan::Server;

/// A log longer than this is put aside as `.log.1` when its process starts, bytes.
const LOG_BYTES: u64 = 64 << 20;

/// A running child; it ends when this is dropped, or when this process ends in any way.
pub(super) struct Running {
    pub(super) pid: u32,
    /// The child watches the other end of this pipe.
    _stdin: Option<ChildStdin>,
}

/// Starts `server`. The child itself is for whoever waits for its end.
pub(super) fn spawn(layout: &Layout, server: &Server) -> Result<(Running, Child)> {
    let path = layout.log(&server.name);
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES) {
        fs::rename(&path, path.with_extension("log.1"))?;
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    // This very program, even when a build has replaced its file meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("hansard")
        .arg(server.role.to_string())
        .arg("--config")
        .arg(layout.config(&server.name))
        .arg("--exit-with-parent")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C on the terminal is for this process, which then stops the others in order.
        .process_group(0)
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HANSARD_") {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {}", server.name))?;
    let pid = child.id().with_context(|| format!("{} ended at once", server.name))?;
    let stdin = child.stdin.take();
    Ok((Running { pid, _stdin: stdin }, child))
}

impl Running {
    /// Asks the process to drain and end.
    pub(super) fn terminate(&self) {
        signal(self.pid, Signal::TERM);
    }

    /// Ends the process now.
    pub(super) fn kill(&self) {
        signal(self.pid, Signal::KILL);
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It fails only when the process has ended, which is what the signal was for.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// How a process ended, for people.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("died (signal {signal})"),
        (None, Some(code)) => format!("ended (exit code {code})"),
        (None, None) => "ended".to_owned(),
    }
}

/// The last lines of a process's log.
pub(super) fn last_lines(layout: &Layout, name: &str, count: usize) -> String {
    let text = fs::read(layout.log(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("    {line}\n")).collect()
}
