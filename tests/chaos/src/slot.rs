//! A place for a node: an address, a filesystem, control groups, and the process, if any.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host::cgroup::Cgroup;
use crate::host::network::{self, SITES};
use crate::host::process::Process;
use crate::host::volume::Volume;
use crate::rig::Paths;

/// What lets a node's time of day be another; Debian's place for it.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// How long a node may take to hand over, flush and end.
pub(crate) const STOP: Duration = Duration::from_secs(60);
/// Shards of the cluster: few, so that each has much to do on a small machine.
const SHARDS: usize = 6;

/// A place for a node.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its number, from 0.
    pub(crate) number: usize,
    /// The node's name.
    pub(crate) name: String,
    /// The number of its site.
    pub(crate) site: usize,
    /// Its address without a port.
    pub(crate) address: String,
    /// Its filesystem.
    pub(crate) volume: Volume,
    /// Its control groups.
    pub(crate) cgroup: Cgroup,
    /// Its process.
    pub(crate) process: Process,
    clock: PathBuf,
}

/// `host:port` where a node at this address listens for nodes and routers.
pub(crate) fn listens(address: &str) -> String {
    format!("{address}:7400")
}

impl Slot {
    /// Makes one, with an empty filesystem. `founders` nodes found the cluster.
    pub(crate) fn make(number: usize, founders: usize, hansard: &str, paths: &Paths) -> Result<Self> {
        let (name, site, address) = (format!("node{number}"), number % SITES.len(), network::address(10 + number));
        network::attach(&name, site, &address)?;
        let volume = Volume::new(&paths.root, &name);
        volume.make()?;
        let cgroup = Cgroup::make(&name)?;
        let clock = paths.config.join(format!("{name}.clock"));
        std::fs::write(&clock, "+0")?;
        let config = paths.config.join(format!("{name}.toml"));
        let seeds: Vec<String> = (0..founders).map(|founder| listens(&network::address(10 + founder))).collect();
        let text = format!(
            "name = {name:?}\nsite = {:?}\nlisten = {:?}\nmetrics_listen = \"{address}:7401\"\ndata = {:?}\n\
             seeds = {seeds:?}\nbootstrap_expect = {}\nshards = {SHARDS}\nallow_plaintext = true\n",
            SITES[site],
            listens(&address),
            volume.path().join("data"),
            if number < founders { founders } else { 0 },
        );
        std::fs::write(&config, text)?;
        let preload = [
            ("LD_PRELOAD", FAKETIME.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // Timers and elections go by the monotonic clock, which no operator can set.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let process = Process {
            namespace: network::namespace(&name),
            command: [hansard, "node", "--exit-with-parent", "--config"].map(str::to_owned).to_vec(),
            environment: preload.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            cgroups: cgroup.entries(),
            log: paths.logs.join(format!("{name}.log")),
            child: None.into(),
        };
        let process = Process { command: [process.command, vec![config.display().to_string()]].concat(), ..process };
        Ok(Self { number, name, site, address, volume, cgroup, process, clock })
    }

    /// The node's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.volume.path().join("data")
    }

    /// Shifts the node's time of day, in seconds.
    pub(crate) fn shift_clock(&self, seconds: i64) -> Result<()> {
        // In one step: half a number would be another one.
        let fresh = self.clock.with_extension("new");
        std::fs::write(&fresh, format!("{seconds:+}"))?;
        std::fs::rename(&fresh, &self.clock).context("setting the clock")
    }

    /// Writes a file to the node's disk as one of the node's control groups, and removes it; whether all of it could be written.
    /// `operands`: how `dd` is to write it.
    pub(crate) fn write_beside(&self, operands: &str) -> Result<bool> {
        let file = self.volume.path().join("probe");
        let joins: String =
            self.cgroup.entries().iter().map(|entry| format!("echo $$ > {} && ", entry.display())).collect();
        let write = format!("{joins}exec dd if=/dev/zero of={} {operands}", file.display());
        let mut command = Command::new("sh");
        command.args(["-c", &write]).stderr(Stdio::null()).process_group(0);
        let status = command.status()?;
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(status.success()),
        }
    }

    /// The node has never been: all data is gone, the process too.
    pub(crate) fn wipe(&self) -> Result<()> {
        self.process.kill()?;
        self.volume.unmount()?;
        self.volume.make()
    }
}
