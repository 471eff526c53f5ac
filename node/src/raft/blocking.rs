//! Calls that may wait for a disk, from async code.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` here without starving other tasks: the thread's tasks move to another one for the time being. In a
/// single-threaded runtime, which is a simulation's, the work runs in line, so that it stays deterministic.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}
