//! What happens at the points, in a build that has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io, io::Write, process, thread};

use super::{CONTROL, Point};

/// How often the file is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How long an ack is held back: longer than an impatient client waits, shorter than a patient one.
const DELAY: Duration = Duration::from_millis(1_500);
/// `EIO`.
const INPUT_OUTPUT_ERROR: i32 = 5;

/// The process passes a point at which nothing can fail.
///
/// # Panics
/// If it is told to fail all the same.
pub fn pass(point: Point) {
    io(point).unwrap_or_else(|_| panic!("nothing can fail at {}", point.name()));
}

/// The process passes a point at which a step is about to be done that can fail.
///
/// # Errors
/// The step is to fail.
pub fn io(point: Point) -> io::Result<()> {
    fail::fail_point!(point.name(), |what| fire(point, what.as_deref().unwrap_or_default()));
    Ok(())
}

/// Says what it does, since whoever told it to must know that it was done.
fn fire(point: Point, what: &str) -> io::Result<()> {
    // In one piece: other threads write there too.
    let line = format!("fail point {}: {what}\n", point.name());
    io::stderr().write_all(line.as_bytes())?;
    match what {
        "crash" => process::abort(),
        "error" => return Err(io::Error::from_raw_os_error(INPUT_OUTPUT_ERROR)),
        "delay" => thread::sleep(DELAY),
        _ => panic!("a fail point does crash, error or delay, not {what:?}"),
    }
    Ok(())
}

/// Does from now on what the file says that [`CONTROL`] names: a line for each point, such as `log-sync=2*off->1*return(crash)`, which
/// crashes the process when it passes there for the third time; see the crate `fail`. Read at once, and again whenever it changes.
///
/// # Panics
/// If a line makes no sense.
pub fn listen() {
    eprintln!("hansard: this build has fail points; it is for tests alone");
    let Some(path) = env::var_os(CONTROL).map(PathBuf::from) else { return };
    let mut armed = BTreeMap::new();
    arm(&path, &mut armed);
    thread::spawn(move || {
        loop {
            thread::sleep(GLANCE);
            arm(&path, &mut armed);
        }
    });
}

/// Takes over what the file says now. A point that it says the same of as before goes on counting.
fn arm(path: &PathBuf, armed: &mut BTreeMap<String, String>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let wanted: BTreeMap<String, String> = lines.map(|(name, actions)| (name.into(), actions.into())).collect();
    for name in armed.keys().filter(|name| !wanted.contains_key(*name)) {
        fail::remove(name);
    }
    for (name, actions) in wanted.iter().filter(|(name, actions)| armed.get(*name) != Some(actions)) {
        assert!(Point::ALL.iter().any(|point| point.name() == name), "there is no fail point {name:?}");
        fail::cfg(name, actions).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    *armed = wanted;
}
