//! Keeps the children: starts them, notices their ends, leaves the dead down until told otherwise.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use hansard_runtime::net::Role;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::files;
use super::layout::Layout;
use super::plan::{Plan, Server};
use super::process::{self, Running};
use super::ready;

/// How long a child may drain before it is killed.
const GRACE: Duration = Duration::from_secs(15);
/// How long a restarted child may take until it is ready.
const RESTART_BOUND: Duration = Duration::from_secs(90);
/// Children's ends that may wait to be noticed; there are never more children than this.
const EVENTS: usize = 1_024;

/// Where the answer to a restart goes: what to tell the person, good or bad.
pub(super) type Answer = oneshot::Sender<Result<String, String>>;

/// What happens to children.
pub(super) enum Event {
    /// It is no more.
    Ended { name: String, pid: u32, status: Option<ExitStatus> },
    /// It should have ended by now.
    Overdue { name: String, pid: u32 },
}

/// What a child does.
enum State {
    Up(Running),
    Down(String),
}

/// A child's line of `hansard dev status`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct ChildStatus {
    pub(crate) name: String,
    pub(crate) site: String,
    /// `up`, or `down` and why.
    pub(crate) state: String,
    /// 0 when down.
    pub(crate) pid: u32,
    pub(crate) address: String,
    pub(crate) metrics: String,
}

pub(super) struct Supervisor {
    layout: Layout,
    plan: Plan,
    states: BTreeMap<String, State>,
    restarts: BTreeMap<String, Answer>,
    events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
}

impl Supervisor {
    pub(super) fn new(layout: Layout, plan: Plan) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self { layout, plan, states: BTreeMap::new(), restarts: BTreeMap::new(), events, sender }
    }

    /// Starts every child.
    pub(super) fn start_all(&mut self) -> Result<()> {
        let names: Vec<String> = self.plan.servers().map(|server| server.name.clone()).collect();
        names.iter().try_for_each(|name| self.start(name))
    }

    fn start(&mut self, name: &str) -> Result<()> {
        let Some(server) = self.server(name).cloned() else { anyhow::bail!("there is no {name}") };
        let (running, mut child) = process::spawn(&self.layout, &server)?;
        let (sender, name, pid) = (self.sender.clone(), server.name.clone(), running.pid);
        self.states.insert(server.name, State::Up(running));
        tokio::spawn(async move {
            let status = child.wait().await.ok();
            // Nobody listens once everything stops.
            let _ = sender.send(Event::Ended { name, pid, status }).await;
        });
        self.remember()
    }

    fn remember(&self) -> Result<()> {
        let pids: BTreeMap<&str, u32> = self.states.keys().map(|name| (name.as_str(), self.pid(name))).collect();
        files::write(&self.layout.pids(), &serde_json::to_vec(&pids)?)
    }

    fn server(&self, name: &str) -> Option<&Server> {
        self.plan.servers().find(|server| server.name == name)
    }

    /// A child's process id, 0 when it is down.
    pub(super) fn pid(&self, name: &str) -> u32 {
        match self.states.get(name) {
            Some(State::Up(running)) => running.pid,
            _ => 0,
        }
    }

    /// The next thing that happens to a child. Cancel safe.
    pub(super) async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Takes an event in; returns what to tell the person, if anything.
    pub(super) fn handle(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Overdue { name, pid } => {
                match self.states.get(&name) {
                    Some(State::Up(running)) if running.pid == pid => running.kill(),
                    _ => {}
                }
                None
            }
            Event::Ended { name, pid, status } => {
                if self.pid(&name) != pid {
                    return None;
                }
                let how = status.map_or_else(|| "ended".to_owned(), process::describe);
                self.states.insert(name.clone(), State::Down(how.clone()));
                match self.restarts.remove(&name) {
                    Some(answer) => {
                        self.start_and_answer(&name, answer);
                        None
                    }
                    None => {
                        Some(format!("{name} {how}; restart it with: hansard dev restart {name}{}", self.layout.flag()))
                    }
                }
            }
        }
    }

    /// Starts a child that is down; one that is up is stopped first. Answers when it is ready.
    pub(super) fn restart(&mut self, name: &str, answer: Answer) {
        match self.states.get(name) {
            Some(State::Up(running)) => {
                running.terminate();
                self.watch(name.to_owned(), running.pid);
                self.restarts.insert(name.to_owned(), answer);
            }
            Some(State::Down(_)) => self.start_and_answer(name, answer),
            None => {
                let names: Vec<&str> = self.plan.servers().map(|server| server.name.as_str()).collect();
                // The asker may have gone.
                let _ = answer.send(Err(format!("there is no {name:?}; there are {}", names.join(", "))));
            }
        }
    }

    fn start_and_answer(&mut self, name: &str, answer: Answer) {
        // An asker that has gone does not want to know.
        if let Err(error) = self.start(name) {
            let _ = answer.send(Err(format!("{error:#}")));
            return;
        }
        let (pid, layout, name) = (self.pid(name), self.layout.clone(), name.to_owned());
        let Some(address) = self.server(&name).map(|server| server.address("metrics")) else {
            return;
        };
        tokio::spawn(async move {
            let deadline = Instant::now() + RESTART_BOUND;
            while Instant::now() < deadline {
                if ready::is_ready(&address).await {
                    let _ = answer.send(Ok(format!("{name} runs (pid {pid})")));
                    return;
                }
                if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
                    let said = process::last_lines(&layout, &name, 8);
                    let _ = answer.send(Err(format!("{name} ended again; it said:\n{said}")));
                    return;
                }
                tokio::time::sleep(ready::POLL).await;
            }
            let log = layout.log(&name);
            let _ = answer.send(Err(format!("{name} runs (pid {pid}) but is not ready yet; see {}", log.display())));
        });
    }

    fn watch(&self, name: String, pid: u32) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            // Nobody listens once everything stops.
            let _ = sender.send(Event::Overdue { name, pid }).await;
        });
    }

    /// What every child does.
    pub(super) fn status(&self) -> Vec<ChildStatus> {
        let of = |server: &Server| ChildStatus {
            name: server.name.clone(),
            site: server.site.to_owned(),
            state: match self.states.get(&server.name) {
                Some(State::Up(_)) => "up".to_owned(),
                Some(State::Down(how)) => format!("down: {how}"),
                None => "down: never started".to_owned(),
            },
            pid: self.pid(&server.name),
            address: server.address(if server.role == Role::Node { "rpc" } else { "grpc" }),
            metrics: server.metrics_url(),
        };
        self.plan.servers().map(of).collect()
    }

    /// Stops the routers, then the nodes; kills what takes too long.
    pub(super) async fn stop_all(&mut self) {
        let routers: Vec<String> = self.plan.routers.iter().map(|server| server.name.clone()).collect();
        let nodes: Vec<String> = self.plan.nodes.iter().map(|server| server.name.clone()).collect();
        for names in [routers, nodes] {
            self.stop(&names).await;
        }
        // It told the next start whom to wait for, and nobody is left.
        let _ = std::fs::remove_file(self.layout.pids());
    }

    async fn stop(&mut self, names: &[String]) {
        let all_down =
            |states: &BTreeMap<String, State>| names.iter().all(|name| !matches!(states.get(name), Some(State::Up(_))));
        for name in names {
            if let Some(State::Up(running)) = self.states.get(name) {
                running.terminate();
                self.watch(name.clone(), running.pid);
            }
        }
        while !all_down(&self.states) {
            match self.events.recv().await {
                Some(Event::Ended { name, pid, status }) if self.pid(&name) == pid => {
                    let how = status.map_or_else(|| "ended".to_owned(), process::describe);
                    self.states.insert(name, State::Down(how));
                }
                Some(event @ Event::Overdue { .. }) => drop(self.handle(event)),
                Some(Event::Ended { .. }) => {}
                None => return,
            }
        }
    }
}
