//! A million operations take at most a minute of CPU time; what is asserted leaves room for machines ten times slower than
//! that which wrote this.

use std::time::Duration;

use crate::support::{Size, run};
use hansard_checker::check_files;

/// CPU time of this process so far, user and system.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks = |field: usize| after_name.split_whitespace().nth(field).unwrap().parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

#[test]
fn a_million_operations_take_less_than_a_minute_of_cpu() {
    const SENDS: u64 = 50_000;
    let directory = tempfile::tempdir().unwrap();
    run(&Size { rooms: 20, clients: 16, sends: SENDS }).write(directory.path());
    let before = cpu();
    let summary = check_files(&[directory.path().to_owned()], 1).unwrap();
    let spent = cpu() - before;
    assert_eq!(summary.report.total(), 0, "{}", summary.report);
    let per_minute = SENDS as f64 / spent.as_secs_f64().max(0.01) * 60.0;
    println!("{SENDS} sends on 3 replicas with 2 subscribers: {spent:?} of CPU, {per_minute:.0} sends per CPU minute");
    assert!(per_minute >= 1e6, "{per_minute:.0} sends per CPU minute");
}
