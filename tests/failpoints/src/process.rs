//! A server of the program under test, and what its fail points are told.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hansard_failpoint::{CONTROL, Point};
use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

/// How often something is looked at that cannot be waited for.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// What a point is told to do, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) point: Point,
    /// `crash`, `error` or `delay`.
    pub(crate) action: &'static str,
    /// How often it is passed before.
    pub(crate) after: u32,
}

impl Order {
    /// The line that the process reads.
    fn line(&self) -> String {
        format!("{}={}*off->1*return({})\n", self.point.name(), self.after, self.action)
    }

    /// What the process says when it obeys.
    fn said(&self) -> String {
        format!("fail point {}: {}", self.point.name(), self.action)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.action, self.point.name())
    }
}

/// A server that can be started again and again. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    command: Vec<String>,
    log: PathBuf,
    control: PathBuf,
    child: Option<Child>,
    /// Where in the log it was told something last.
    told_at: u64,
}

impl Server {
    /// One that does not run yet: `hansard ROLE --config FILE`.
    pub(crate) fn new(hansard: &Path, role: &str, config: &Path, directory: &Path, name: &str) -> Self {
        let text = |path: &Path| path.display().to_string();
        Self {
            name: name.to_owned(),
            command: vec![text(hansard), role.into(), "--exit-with-parent".into(), "--config".into(), text(config)],
            log: directory.join(format!("{name}.log")),
            control: directory.join(format!("{name}.points")),
            child: None,
            told_at: 0,
        }
    }

    /// Tells its points what to do, from now on or from its next start on; nothing that it was told before counts any more.
    pub(crate) fn tell(&mut self, orders: &[Order]) -> Result<()> {
        let fresh = self.control.with_extension("new");
        fs::write(&fresh, orders.iter().map(Order::line).collect::<String>())?;
        // Before it is told: it may obey at once.
        self.told_at = fs::metadata(&self.log).map_or(0, |log| log.len());
        // In one step: half a line would be another one.
        Ok(fs::rename(&fresh, &self.control)?)
    }

    /// Starts it, with `environment` beside its own.
    pub(crate) fn start(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs", self.name);
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env(CONTROL, &self.control).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().with_context(|| format!("starting {}", self.name))?);
        Ok(())
    }

    /// How it has ended, if it has.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        let child = self.child.as_mut().with_context(|| format!("{} was not started", self.name))?;
        Ok(child.try_wait()?)
    }

    /// Waits until it has ended by itself; it can be started again then.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.status()? {
                self.child = None;
                return Ok(status);
            }
            ensure!(Instant::now() < until, "{} does not end; it said:\n{}", self.name, self.last_words());
            std::thread::sleep(GLANCE);
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.wait()?;
        ensure!(status.success(), "{} ended with {status}; it said:\n{}", self.name, self.last_words());
        Ok(())
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait().map(drop)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("{} does not run", self.name))?;
        let pid = Pid::from_raw(child.id().try_into()?).context("a process has an id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Whether it has obeyed.
    pub(crate) fn obeyed(&self, order: &Order) -> Result<bool> {
        let mut said = Vec::new();
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.told_at))?;
        log.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).lines().any(|line| line == order.said()))
    }

    /// The same of one that must not end before.
    pub(crate) fn has_obeyed(&mut self, order: &Order) -> Result<bool> {
        // In this order: what it said last it said before it ended.
        let status = self.status()?;
        let obeyed = self.obeyed(order)?;
        if let Some(status) = status.filter(|_| !obeyed) {
            bail!("{} ended with {status} before {order}:\n{}", self.name, self.last_words());
        }
        Ok(obeyed)
    }

    /// The last lines that it said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended already, if this fails.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
