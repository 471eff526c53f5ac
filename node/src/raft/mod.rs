//! The adapters from openraft's traits to `storage`, `domain` and the wire. Only `shard` knows openraft besides, to drive it.
//!
//! What the rest of the node uses:
//!
//! ```text
//! NodeInfo { id: u64, name: String, site: String, address: String }   // From/Into the wire's NodeInfo
//! Tuning { heartbeat, election_min, election_max, .. }                // Default documented; Tuning::from_millis(heartbeat, election)
//!
//! trait ApplySink: Send + Sync + 'static {                            // implemented by fanout
//!     fn applied(&self, shard: ShardId, applied: &Applied);           // in order, after the rows are committed; must not block
//!     fn replaced(&self, shard: ShardId);                             // a snapshot replaced the rows: start again from them
//! }
//!
//! Peers::new(local: NodeInfo, Dial, silence) -> Arc<Peers>            // Dial { transport, tls: Option<Arc<Tls>>, handshake: Handshake }
//!                                         // Handshake::default(); streams and snapshots send peer.request(message): cluster, node meant
//!   detector(&self) -> &Arc<Detector>       // lost(node); changed(); opened(node) for streams that come from a node
//!   update(&self, NodeInfo)                 // a newer address of a node than the membership has
//!   reachable(&self, node: u64) -> bool     // a consensus stream stands
//!   channel(&self, &NodeInfo) -> io::Result<Channel>    // for the other calls of PeerService
//!
//! service::consensus(Arc<ShardHost>, Standing, Streaming<ConsensusRequest>) -> impl Stream<Item = Result<ConsensusResponse, Status>>
//! service::offer_snapshot(&ShardHost, OfferSnapshotRequest) -> Result<OfferSnapshotResponse, Status>
//! service::install_snapshot(Arc<ShardHost>, Streaming<InstallSnapshotRequest>) -> Result<InstallSnapshotResponse, Status>   // async
//! ```

mod abandoned;
pub(crate) mod blocking;
mod detector;
pub mod entry;
#[doc(hidden)]
pub mod fuzzing;
pub mod handshake;
pub(crate) mod heirs;
pub(crate) mod lease;
mod link;
mod log;
mod machine;
mod membership;
mod network;
mod node_info;
mod peers;
mod pipeline;
mod progress;
mod proposal;
mod send_snapshot;
pub mod service;
mod shelf;
mod sink;
mod snapshot;
mod state;
mod take_snapshot;
mod transfers;
mod tuning;
pub mod types;
mod wire;

pub use abandoned::drop_abandoned;
pub use detector::{Detector, Standing};
pub use log::LogStore;
pub use machine::{Machine, MachineError, RecordHead};
pub use membership::voters_of;
pub use network::Network;
pub use node_info::{Member, NodeInfo};
pub use peers::{Dial, MAX_MESSAGE_BYTES, PeerError, Peers};
pub use progress::Progress;
pub use proposal::{Decoded, Outcomes, Proposal};
pub use sink::{Applied, ApplySink, NoSink};
pub use state::{StartError, StateMachine};
pub use transfers::Transfers;
pub use tuning::{CLOSE, Tuning};
pub use wire::WireError;

#[cfg(test)]
pub(crate) mod test_store;
#[cfg(test)]
mod tests;
