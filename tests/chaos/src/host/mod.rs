//! The means by which this machine is bent: namespaces, filesystems, control groups, processes.

pub(crate) mod cgroup;
pub(crate) mod clean;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod shell;
pub(crate) mod sys;
pub(crate) mod volume;
pub(crate) mod wan;

/// What the name of everything begins with that a run leaves on the machine, so that the next run can clean up after it.
pub(crate) const PREFIX: &str = "hchaos";
