//! The only place that knows openraft: adapters from its traits to `storage`, `domain` and the wire.
//!
//! What the rest of the node uses:
//!
//! ```text
//! NodeInfo { id: u64, name: String, site: String, address: String }   // From/Into the wire's NodeInfo
//! Tuning { heartbeat, election_min, election_max, .. }                // Default documented; Tuning::from_millis(heartbeat, election)
//!
//! trait ApplySink: Send + Sync + 'static {                            // implemented by fanout
//!     fn applied(&self, shard: ShardId, events: Vec<RoomEvent>);      // in order, after the rows are committed; must not block
//!     fn replaced(&self, shard: ShardId);                             // a snapshot replaced the rows: start again from them
//! }
//!
//! Peers::new(local: NodeInfo, Dial) -> Arc<Peers>                     // Dial { transport: Arc<dyn Transport>, tls: Option<Tls>, .. }
//!   update(&self, NodeInfo)                 // a newer address of a node than the membership has
//!   reachable(&self, node: u64) -> bool     // a consensus stream stands
//!   channel(&self, &NodeInfo) -> Channel    // for the other calls of PeerService
//!
//! service::consensus(Arc<ShardHost>, Streaming<ConsensusRequest>) -> impl Stream<Item = Result<ConsensusResponse, Status>>
//! service::install_snapshot(Arc<ShardHost>, Streaming<InstallSnapshotRequest>) -> Result<InstallSnapshotResponse, Status>   // async
//! ```
