//! openraft's types, chosen once. Nothing outside `raft` and `shard` names openraft.

use openraft::vote::leader_id_std;

use super::entry::Entry;
use super::node_info::Member;
use super::proposal::{Outcomes, Proposal};

/// The types that every shard's Raft group uses. Leaders are told apart by term alone, as in the paper: two leaders of one term
/// cannot be, so a log id is (term, index) on the disk and on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

impl openraft::RaftTypeConfig for Types {
    type D = Proposal;
    type R = Outcomes;
    type NodeId = u64;
    type Node = Member;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type AsyncRuntime = openraft_rt_tokio::TokioRuntime;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// A vote: a term and whom it is for.
pub type Vote = openraft::Vote<leader_id_std::LeaderId<u64, u64>>;
/// A term, as log ids carry it.
pub type Term = leader_id_std::CommittedLeaderId<u64>;
/// The position of an entry: term and index.
pub type LogId = openraft::LogId<Term>;
/// Voters and learners.
pub type Membership = openraft::Membership<u64, Member>;
/// A membership and the entry that set it.
pub type StoredMembership = openraft::StoredMembership<Term, u64, Member>;
/// What a snapshot is of.
pub type SnapshotMeta = openraft::SnapshotMeta<Term, u64, Member>;
/// A snapshot: its meta and a handle to its rows.
pub type Snapshot = openraft::Snapshot<Term, u64, Member, super::snapshot::SnapshotHandle>;
/// What an entry holds.
pub type Payload = openraft::EntryPayload<Proposal, u64, Member>;
/// One shard's Raft group, as this node takes part in it.
pub type Group = openraft::Raft<Types, super::state::StateMachine>;

/// The log id of `(term, index)`.
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

/// `(term, index)` of a log id.
pub fn parts(id: &LogId) -> (u64, u64) {
    (id.leader_id.term, id.index)
}
