//! Valid inputs: golden files, messages with every field set, and histories.

pub(crate) mod golden;
pub(crate) mod histories;
pub(crate) mod messages;
