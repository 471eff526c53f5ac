//! Fifty seeds with every build; `make sim` runs more.

use std::process::Command;

#[test]
fn fifty_seeds_pass_and_three_replay_to_the_same_trace() {
    let run = Command::new(env!("CARGO_BIN_EXE_hansard-sim")).args(["--seeds", "50"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(said.lines().last(), Some("sim seeds=50 passed=50 rerun_equal=3 violations=0"), "{said}");
    assert!(run.status.success());
}

#[test]
fn seeds_differ() {
    let hash = |seed: &str| {
        let run = Command::new(env!("CARGO_BIN_EXE_hansard-sim")).args(["--seed", seed, "--quiet"]).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let hash = said.split_whitespace().find(|word| word.starts_with("trace=")).map(str::to_owned);
        hash.expect("the verdict names the trace's hash")
    };
    assert_ne!(hash("0"), hash("1"));
}

/// The simulation can fail: disks that lose what they said was synced are found.
#[test]
fn disks_that_lie_are_found() {
    let found = (0..4).any(|seed: u64| {
        let seed = seed.to_string();
        let run = Command::new(env!("CARGO_BIN_EXE_hansard-sim"))
            .args(["--seed", &seed, "--quiet", "--lying-disks"])
            .output();
        !run.unwrap().status.success()
    });
    assert!(found);
}
