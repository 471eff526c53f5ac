//! The foreground process of a development cluster.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hansard_runtime::stop_signal;

use super::ca::Ca;
use super::control::{self, Asked};
use super::layout::Layout;
use super::plan::Plan;
use super::supervisor::{Event, Supervisor};
use super::{RunArgs, files, people, process, ready, screen};
use crate::serve::parent;

/// How long the cluster may take until it serves, replay of a long log included.
const START_BOUND: Duration = Duration::from_secs(300);
/// How long the processes of a `dev` that was killed may take to follow it.
const LEFTOVER_BOUND: Duration = Duration::from_secs(20);

/// Runs until a signal, or until the cluster turns out not to start.
pub(super) async fn run(args: RunArgs) -> Result<()> {
    let layout = Layout::new(&args.place.data);
    files::private_directory(&layout.dev())?;
    files::private_directory(&layout.logs())?;
    let _lock = lock(&layout)?;
    wait_for_leftovers(&layout).await?;
    if let Some(path) = &args.ready_file {
        // What an earlier run wrote is not true any more.
        let _ = std::fs::remove_file(path);
    }
    let ca = Ca::load_or_create(&layout)?;
    let tokens = people::issue_tokens(&layout)?;
    let plan = Plan::make(&layout, args.nodes.into(), args.routers.into())?;
    plan.write(&layout, &ca, args.shards.into())?;
    let asked = control::listen(&layout)?;

    let mut cluster = Cluster {
        supervisor: Supervisor::new(layout.clone(), plan.clone()),
        layout,
        plan,
        tokens,
        ready_file: args.ready_file,
        ids: None,
    };
    screen::starting(&cluster.plan, &cluster.layout);
    let served = match cluster.supervisor.start_all() {
        Ok(()) => cluster.serve(asked, args.exit_with_parent).await,
        Err(error) => Err(error),
    };
    screen::stopping();
    cluster.supervisor.stop_all().await;
    served
}

struct Cluster {
    supervisor: Supervisor,
    layout: Layout,
    plan: Plan,
    tokens: BTreeMap<String, String>,
    ready_file: Option<PathBuf>,
    /// The nodes' ids by name, once the cluster serves.
    ids: Option<BTreeMap<String, u64>>,
}

impl Cluster {
    async fn serve(&mut self, mut asked: tokio::sync::mpsc::Receiver<Asked>, with_parent: bool) -> Result<()> {
        let began = Instant::now();
        let token = self.tokens.get("alice").cloned().unwrap_or_default();
        let mut serving = Box::pin(tokio::time::timeout(START_BOUND, ready::serving(self.plan.clone(), token)));
        let mut stop = Box::pin(stop_signal());
        let mut parent = with_parent.then(parent::gone);
        loop {
            tokio::select! {
                ids = &mut serving, if self.ids.is_none() => {
                    let late = || format!("the cluster does not serve after {} s; see {}", START_BOUND.as_secs(), self.layout.logs().display());
                    self.ids = Some(ids.with_context(late)?);
                    self.write_ready()?;
                    screen::ready(&self.plan, &self.layout, began.elapsed(), |name| self.supervisor.pid(name));
                }
                event = self.supervisor.event() => self.notice(event)?,
                Some(question) = asked.recv() => self.answer(question),
                signal = &mut stop => {
                    signal.context("cannot hear signals")?;
                    return Ok(());
                }
                _ = async { parent.as_mut().expect("guarded by the branch's condition").await }, if parent.is_some() => return Ok(()),
            }
        }
    }

    fn notice(&mut self, event: Option<Event>) -> Result<()> {
        let Some(event) = event else { return Ok(()) };
        let ended = match &event {
            Event::Ended { name, .. } => Some(name.clone()),
            Event::Overdue { .. } => None,
        };
        if let Some(news) = self.supervisor.handle(event) {
            screen::news(&news);
            if self.ids.is_none() {
                let name = ended.unwrap_or_default();
                screen::quote(&process::last_lines(&self.layout, &name, 6));
                self.check_start(&name)?;
            }
        }
        // A restarted process has another id.
        if self.ids.is_some() { self.write_ready() } else { Ok(()) }
    }

    /// A cluster that lost a router or its quorum before it served will not serve.
    fn check_start(&self, name: &str) -> Result<()> {
        let up = self.plan.nodes.iter().filter(|node| self.supervisor.pid(&node.name) != 0).count();
        if name.starts_with("router") || up <= self.plan.nodes.len() / 2 {
            bail!("the cluster does not start; the whole story is in {}", self.layout.log(name).display());
        }
        Ok(())
    }

    fn answer(&mut self, question: Asked) {
        match question {
            Asked::Restart(name, answer) => {
                self.supervisor.restart(&name, answer);
                if self.ids.is_some()
                    && let Err(error) = self.write_ready()
                {
                    screen::news(&format!("{error:#}"));
                }
            }
            Asked::Status(answer) => {
                // The asker may have gone.
                let _ = answer.send(self.supervisor.status());
            }
        }
    }

    fn write_ready(&self) -> Result<()> {
        let (Some(path), Some(ids)) = (&self.ready_file, &self.ids) else {
            return Ok(());
        };
        ready::write(path, &self.layout, &self.plan, ids, &self.tokens, |name| self.supervisor.pid(name))
    }
}

/// Takes the lock that one `hansard dev` holds on a data directory.
fn lock(layout: &Layout) -> Result<File> {
    let path = layout.lock();
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `hansard dev` process runs on {}; stop it, or name another directory with --data",
            layout.data().display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Processes end by themselves when their `dev` was killed, but not in the same instant.
async fn wait_for_leftovers(layout: &Layout) -> Result<()> {
    let Ok(text) = std::fs::read(layout.pids()) else {
        return Ok(());
    };
    let pids: BTreeMap<String, u32> = serde_json::from_slice(&text).unwrap_or_default();
    let began = Instant::now();
    for (name, pid) in pids {
        while is_ours(pid, &layout.config(&name)) {
            if began.elapsed() > LEFTOVER_BOUND {
                bail!("{name} of an earlier run is still there; end it with: kill -9 {pid}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Whether the process runs with that settings file, and is not another one that got the same id.
fn is_ours(pid: u32, config: &Path) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let config = config.as_os_str().as_encoded_bytes();
    pid != 0 && arguments.split(|byte| *byte == 0).any(|argument| argument == config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dev_per_directory() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        files::private_directory(&layout.dev()).unwrap();
        let held = lock(&layout).unwrap();
        let error = lock(&layout).unwrap_err().to_string();
        assert!(error.contains("another") && error.contains("--data"), "{error}");
        drop(held);
        lock(&layout).unwrap();
    }

    #[test]
    fn a_process_is_known_by_its_settings() {
        let pid = std::process::id();
        assert!(!is_ours(pid, Path::new("/nowhere/node1.toml")));
        assert!(!is_ours(0, Path::new("/nowhere/node1.toml")));
        let program = std::env::args_os().next().unwrap();
        assert!(is_ours(pid, Path::new(&program)));
    }
}
