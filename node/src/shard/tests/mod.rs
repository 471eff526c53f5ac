//! Whole groups of replicas in one process, over a network in memory.

mod changes;
mod cluster;
mod faults;
mod log_bound;
mod net;
mod proposals;
mod succession;
mod transfers;
