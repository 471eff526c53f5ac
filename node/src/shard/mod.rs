//! Shards: one replicated state machine each, with one owner for proposals and one way to read.
//!
//! What the rest of the node uses, in one place:
//!
//! ```text
//! ShardHost::new(HostSeams) -> Result<Arc<ShardHost>, HostError>   // all replicas of this node
//!   HostSeams { local: NodeInfo, store: Store, peers: Arc<Peers>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>,
//!               sink: Arc<dyn ApplySink>, tuning: Tuning }
//!   async start(&self, ShardId) -> Result<ShardHandle, HostError>    // opens or creates the store; idempotent; room shards
//!   async start_meta(&self) -> Result<MetaShard, HostError>          // ShardId::META
//!   async start_stored(&self) -> Result<(), HostError>               // every shard that the store knows (restart)
//!   async stop(&self, ShardId) -> Result<(), HostError>              // keeps the data
//!   async remove(&self, ShardId) -> Result<(), HostError>            // stops, and deletes the data
//!   async shutdown(&self)                                            // hands leaderships over, flushes, stops
//!   async bound_log(self: Arc<Self>)                                 // purges what is beyond the log's bytes, for ever
//!   get(&self, ShardId) -> Option<ShardHandle>;  meta(&self) -> Option<MetaShard>;  replica(&self, ShardId) -> Option<Replica>
//!   shards(&self) -> Vec<ShardId>;  changed(&self) -> watch::Receiver<u64>   // bumped when a shard starts or stops
//!
//! ShardHandle (Clone, derefs to Replica)
//!   async submit(&self, ProposeRequest) -> Result<Outcome, ProposeError>   // facts, policy, then propose; records refusals
//!   submit_known(&self, ProposeRequest, answer) -> Result<(), (ProposeRequest, answer)>  // no look at the rows, no task
//!   async propose(&self, Permit, ProposeRequest) -> Result<Outcome, ProposeError>
//!   async report_refusals(&self, RequestId, RefusalReport) -> Result<(), ProposeError>  // what a router saw of one person
//!
//! MetaShard (Clone, derefs to Replica)
//!   async propose(&self, MetaCommand) -> Result<MetaOutcome, ProposeError>
//!   view(&self) -> watch::Receiver<Arc<MetaView>>                      // as applied here
//!
//! Replica (Clone): what any shard has
//!   id(&self) -> ShardId;  node(&self) -> u64
//!   leadership(&self) -> watch::Receiver<Leadership>                   // { term, leader: Option<u64>, serving: bool }
//!   async read_index(&self) -> Result<(), ReadError>                   // linearizable from here on; batched
//!   async read<T>(&self, FnOnce(&ShardRows) -> Result<T, StorageError>) -> Result<T, ReadError>  // read_index, then rows
//!   async read_applied<T>(&self, FnOnce(&ShardRows) -> ..) -> ..       // leader or not, as applied here
//!   rows(&self) -> ShardRows
//!   status(&self) -> ReplicaStatus   // voters, learners, leader, term, applied index, record size and root
//!   async wait_leadership(&self, Duration, FnMut(&Leadership) -> bool) -> Result<Leadership, ReadError>
//!   async initialize(&self, Vec<NodeInfo>) -> Result<(), MembershipError>      // idempotent: Ok if it is initialised
//!   async age_within(&self, Duration, ask) -> Result<Duration, ReadError>  // what is applied here is no older
//!   async change_membership(&self, Vec<NodeInfo>, objection) -> Result<(), MembershipError>  // learners first, then voters
//!   async committed_members(&self) -> Result<BTreeSet<u64>, MembershipError>                    // voters or not
//!
//! ProposeError = NotLeader { leader: Option<u64> } | Overloaded { retry_after: Duration } | StorageFull
//!   | Unknown { .. }
//!   Unknown: it may have been done or may yet be; otherwise nothing was done. Unknown: retry with the same request id.
//! ```

mod answer;
mod batch;
mod error;
mod freshness;
mod handle;
mod host;
mod known;
mod lag;
mod leadership;
mod log_bound;
mod members;
mod meta;
mod observers;
mod pacer;
mod proposer;
mod readers;
mod reads;
pub mod refusals;
mod replica;
mod request;
mod succession;

pub use error::{HostError, MembershipError, ProposeError, ReadError};
pub use handle::ShardHandle;
pub use host::{HostSeams, ShardHost};
pub use leadership::Leadership;
pub use meta::MetaShard;
pub use replica::{Replica, ReplicaStatus};
pub use request::{ProposeRequest, RefusalReport};

#[cfg(test)]
mod tests;
