//! `hansard dev` as a child process.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// What `--ready-file` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    pub routers: Vec<Router>,
    pub nodes: Vec<Node>,
    pub tokens: std::collections::BTreeMap<String, String>,
    pub ca: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Router {
    pub site: String,
    pub grpc: String,
    pub ws: String,
    pub metrics: String,
    pub pid: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    #[serde(deserialize_with = "number_or_text")]
    pub id: u64,
    pub site: String,
    pub rpc: String,
    pub metrics: String,
    pub pid: u32,
    pub data: PathBuf,
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(n) => Ok(n),
        Either::Text(t) => t.parse().map_err(serde::de::Error::custom),
    }
}

/// A running `hansard dev`. Dropping it stops the whole cluster.
pub struct Cluster {
    child: Option<Child>,
    dir: tempfile::TempDir,
    pub ready: Ready,
    args: Vec<String>,
}

/// The binary under test.
pub fn hansard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hansard"));
    command.stdin(Stdio::null()).env_remove("HANSARD_ROUTER").env_remove("HANSARD_TOKEN");
    command
}

/// The cluster that tests share which only talk: 3 nodes, 2 routers. It ends with the test process.
pub fn shared() -> &'static Arc<Cluster> {
    static SHARED: OnceLock<(Arc<Cluster>, Child)> = OnceLock::new();
    let start = || {
        let cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
        let heir = cluster.heir();
        (Arc::new(cluster), heir)
    };
    &SHARED.get_or_init(start).0
}

impl Cluster {
    /// Starts `hansard dev` with these arguments in an empty directory, and waits until it serves.
    pub fn start(args: &[&str]) -> Cluster {
        Cluster::start_by(Command::new(env!("CARGO_BIN_EXE_hansard")), args)
    }

    /// The same by a command that ends in the binary under test: with an environment of its own, or by way of another program.
    /// [`Cluster::restart`] starts it as [`Cluster::start`] does.
    pub fn start_by(command: Command, args: &[&str]) -> Cluster {
        let dir = tempfile::Builder::new().prefix("hansard-system").tempdir().unwrap();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let (child, ready) = launch(command, dir.path(), &args);
        Cluster { child: Some(child), dir, ready, args }
    }

    /// A process that removes the directory once this one and the cluster have ended: what is static is never dropped.
    fn heir(&self) -> Child {
        let script = r#"cat; while kill -0 "$0"; do sleep 0.1; done; rm -rf "$1""#;
        let pid = self.child.as_ref().unwrap().id().to_string();
        let mut heir = Command::new("sh");
        heir.args(["-c", script, &pid]).arg(self.dir.path());
        heir.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a client command as a person against a router, and expects success.
    pub fn run(&self, who: &str, router: usize, args: &[&str]) -> String {
        let output = self.try_run(who, router, args);
        assert!(
            output.status.success(),
            "hansard {args:?} failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a client command as a person against a router.
    pub fn try_run(&self, who: &str, router: usize, args: &[&str]) -> Output {
        self.command(who, router, args).output().unwrap()
    }

    /// A client command as a person against a router.
    pub fn command(&self, who: &str, router: usize, args: &[&str]) -> Command {
        let mut command = hansard();
        command
            .args(args)
            .env("HANSARD_ROUTER", &self.ready.routers[router].grpc)
            .env("HANSARD_TOKEN", self.token(who));
        command
    }

    /// A token for a subject, issued now if the cluster did not make one.
    pub fn token(&self, subject: &str) -> String {
        match self.ready.tokens.get(subject) {
            Some(token) => token.clone(),
            None => self.issue(&["--subject", subject]),
        }
    }

    /// `hansard token issue` with the cluster's own key.
    pub fn issue(&self, args: &[&str]) -> String {
        let output = hansard().args(["token", "issue", "--data"]).arg(self.data()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Kills one process at once.
    pub fn kill(&self, pid: u32) {
        signal(pid, "KILL");
    }

    /// Sends a signal to one process.
    pub fn signal(&self, pid: u32, name: &str) {
        signal(pid, name);
    }

    /// `hansard dev restart NAME`.
    pub fn restart_child(&self, name: &str) {
        let output = hansard().args(["dev", "restart", name, "--data"]).arg(self.data()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Stops the whole cluster in order and starts it again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        let (child, ready) = launch(Command::new(env!("CARGO_BIN_EXE_hansard")), self.dir.path(), &self.args);
        self.child = Some(child);
        self.ready = ready;
    }

    /// Stops the whole cluster as Ctrl-C does.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        signal(child.id(), "INT");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("hansard dev did not stop within a minute of SIGINT");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Closing its standard input ends it even when this process is killed; this is the tidy way.
            drop(child.stdin.take());
            signal(child.id(), "TERM");
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("{}", tails(&self.data().join("logs")));
        }
    }
}

fn launch(mut command: Command, dir: &Path, args: &[String]) -> (Child, Ready) {
    let ready_file = dir.join("ready.json");
    let _ = std::fs::remove_file(&ready_file);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("dev.log")).unwrap();
    let mut child = command
        .arg("dev")
        .args(args)
        .arg("--exit-with-parent")
        .arg("--data")
        .arg(dir.join("data"))
        .arg("--ready-file")
        .arg(&ready_file)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        if let Ok(text) = std::fs::read(&ready_file) {
            return (child, serde_json::from_slice(&text).unwrap());
        }
        let ended = child.try_wait().unwrap();
        if ended.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let said = std::fs::read_to_string(dir.join("dev.log")).unwrap_or_default();
            panic!("hansard dev is not ready ({ended:?}):\n{said}\n{}", tails(&dir.join("data/logs")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The last lines of every log in a directory.
fn tails(dir: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n");
        all.push_str(&format!("--- {}\n{tail}\n", entry.path().display()));
    }
    all
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(status.success() || name == "TERM", "kill -{name} {pid}");
}
