//! Every target keeps its law for a bounded number of inputs, the same in every build.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use hansard_fuzz::{Prepared, Seen, targets};

/// Inputs of each target; those that cost more than others have fewer.
const INPUTS: u64 = 30_000;
const SEED: u64 = 1;

/// Targets whose readers do much work for one input, and how many inputs they get.
const COSTLY: [(&str, u64); 4] =
    [("token/jwt", 4_000), ("storage/log-segment", 2_000), ("history/files", 300), ("rows/slots", 4_000)];

#[test]
fn every_law_holds() {
    let mut failures = Vec::new();
    for target in targets::all() {
        let prepared = Prepared::new(target);
        let inputs = COSTLY.iter().find(|(name, _)| *name == target.name).map_or(INPUTS, |(_, inputs)| *inputs);
        match prepared.run(SEED, 0, |number| number == inputs) {
            Ok(tally) if tally.taken == 0 || tally.taken == tally.inputs => {
                failures.push(format!("{}: {} of {} are taken: it shows nothing", target.name, tally.taken, inputs));
            }
            Ok(_) => {}
            Err(found) => {
                let input = HEXLOWER.encode(&found.input);
                failures.push(format!(
                    "{}: {}\n  make fuzz TARGET={} INPUT={input}",
                    target.name, found.trouble, target.name
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_target_takes_some_of_its_seeds_as_they_are() {
    for target in targets::all() {
        let prepared = Prepared::new(target);
        let taken = prepared.seeds().iter().filter(|seed| prepared.check(seed) == Ok(Seen::Taken)).count();
        assert!(taken > 0, "{}: none of {} is taken", target.name, prepared.seeds().len());
    }
}

#[test]
fn an_input_depends_on_seed_target_and_number_alone() {
    let [one, other] = [0, 1].map(|at| targets::all()[at]).map(Prepared::new);
    let inputs = |target: &Prepared, seed| (100..200).map(|number| target.input(seed, number)).collect::<Vec<_>>();
    assert_eq!(inputs(&one, 7), inputs(&Prepared::new(one.target), 7));
    assert_ne!(inputs(&one, 7), inputs(&one, 8));
    assert_ne!(inputs(&one, 7), inputs(&other, 7));
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = targets::all().iter().map(|target| target.name).collect();
    assert_eq!(names.len(), targets::all().len());
}
