//! Removing what a run has left on the machine, this one or one that was killed: all of it is known by its prefix.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cgroup::{KINDS, root};
use super::shell::{attempt, sh};
use super::{PREFIX, network};

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills processes, unmounts and removes volumes, namespaces, links and control groups. `directory` is where volumes are.
/// Says nothing of what is not there.
pub(crate) fn clean(directory: &Path) {
    thaw_all();
    kill_all();
    unmount_all(directory);
    for namespace in namespaces() {
        attempt(&format!("ip netns del {namespace}"));
    }
    attempt(&format!("ip link del {}", network::HOST_LINK));
    for kind in KINDS {
        for group in groups(kind) {
            // Files in it are the kernel's; only directories can be removed.
            let _ = fs::remove_dir(group);
        }
        let _ = fs::remove_dir(root(kind));
    }
    for file in fs::read_dir(directory).into_iter().flatten().flatten() {
        if file.path().extension().is_some_and(|extension| extension == "img") {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// What stands still in a frozen group cannot end either.
fn thaw_all() {
    for group in groups("freezer") {
        // It may be no group, or just be gone.
        let _ = fs::write(group.join("freezer.state"), "THAWED");
    }
}

/// Whatever is where a kind's groups of ours are.
fn groups(kind: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root(kind)).into_iter().flatten().flatten().map(|group| group.path())
}

/// Processes in our control groups and namespaces, and no others.
fn kill_all() {
    let until = Instant::now() + PATIENCE;
    loop {
        let pids = pids();
        if pids.is_empty() || Instant::now() > until {
            return;
        }
        for pid in pids {
            // It may just have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pids() -> Vec<Pid> {
    let mut text = String::new();
    for kind in KINDS {
        for group in groups(kind) {
            text += &fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        }
    }
    for namespace in namespaces() {
        text += &sh(&format!("ip netns pids {namespace}")).unwrap_or_default();
    }
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn namespaces() -> Vec<String> {
    let listed = sh("ip netns list").unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with(&format!("{PREFIX}-"))).map(str::to_owned).collect()
}

fn unmount_all(directory: &Path) {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
    for point in points.filter(|point| Path::new(point).starts_with(directory)) {
        // A loop device made by mount goes with the mount.
        attempt(&format!("umount -l {point}"));
    }
}
