//! The cluster's own state machine: people, nodes, shards and where they are, what is revoked.
//!
//! One group, `meta`, on every node of the cluster's founding; everybody else holds a copy of its [`MetaView`].

mod apply;
mod command;
mod nodes;
mod outcome;
mod people;
mod places;
mod read;
mod rows;
mod state;
mod view;

pub(crate) use rows::row;

pub use command::{MetaAction, MetaBatch, MetaCommand};
pub use outcome::MetaOutcome;
pub use read::{PersonView, find_person, list_people, person};
pub use state::{Meta, MetaApplied};
pub use view::{MetaView, MovedRoom, Node, NodeInfo, NodeState, PersonEpoch, ShardPlace};

#[cfg(test)]
mod tests;
