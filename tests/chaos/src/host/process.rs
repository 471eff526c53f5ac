//! A process in a network namespace, that ends when this one does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A server that can be started again and again.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Program and arguments. It must end when its standard input does.
    pub(crate) command: Vec<String>,
    /// What is set in its environment, and nowhere before it.
    pub(crate) environment: Vec<(String, String)>,
    /// Files that take its id before it runs.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Where it says what it has to say.
    pub(crate) log: PathBuf,
    /// While it runs.
    pub(crate) child: Mutex<Option<Child>>,
}

impl Process {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it. Nothing happens if it runs.
    pub(crate) fn start(&self) -> Result<()> {
        let mut child = self.child();
        if child.is_some() {
            return Ok(());
        }
        let joins: String = self.cgroups.iter().map(|file| format!("echo $$ > {} && ", file.display())).collect();
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace)).args(["sh", "-c"]);
        // Each program replaces the one before, so that the id stays the same.
        command.arg(format!("{joins}exec env \"$@\"")).arg("sh");
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.args(&self.command).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C is for the harness alone, which then ends all in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        *child = Some(command.spawn().context("starting a process in its namespace")?);
        Ok(())
    }

    /// Its id, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// Why it has ended, told once.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let mut child = self.child();
        let status = child.as_mut()?.try_wait().ok()??;
        *child = None;
        Some(status)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).context("the process does not run")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills it, and waits until it is gone. Nothing happens if it does not run.
    pub(crate) fn kill(&self) -> Result<()> {
        if let Some(mut child) = self.child().take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and waits so long.
    pub(crate) fn stop(&self, within: Duration) -> Result<()> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let until = Instant::now() + within;
        while self.pid().is_some() && self.ended().is_none() {
            if Instant::now() > until {
                self.kill()?;
                bail!("{} did not end within {within:?} of SIGTERM, and was killed", self.namespace);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The last thing that it said.
    pub(crate) fn last_words(&self) -> String {
        let tail = tail(&self.log, 2_000).unwrap_or_default();
        tail.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(300).collect()
    }
}

/// The last bytes of a file, as text.
fn tail(path: &std::path::Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(bytes)))?;
    let mut end = vec![];
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}
