//! What is counted, and where counting begins and ends.

use std::hint::black_box;

use crate::place;

/// A fixed piece of work.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Prepares, warms up, calls [`counted`], and tells of how many operations that was.
    pub(crate) run: fn() -> u64,
}

/// Callgrind counts what runs in here, and nothing else: it knows this function by its name.
#[inline(never)]
pub(crate) fn counted(work: &mut dyn FnMut()) {
    black_box(work)();
}

/// Callgrind writes down what it has counted since the last time, and begins anew.
#[inline(never)]
fn written_down(workload: &Workload) {
    black_box(workload.name);
}

/// Runs all, and says of each how many operations it was.
pub(crate) fn run_all(workloads: &[Workload]) {
    println!("features\t{}", place::features());
    for workload in workloads {
        let operations = (workload.run)();
        written_down(workload);
        println!("{}\t{operations}", workload.name);
    }
}
