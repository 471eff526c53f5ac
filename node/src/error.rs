//! What can go wrong, and what to do about it.

use std::io;

use hansard_domain::ClusterId;
use hansard_proto::{reason, rpc, status};
use hansard_runtime::net::TlsError;
use hansard_storage::OpenError;
use tonic::Code;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration can't work.
    #[error("bad configuration: {0}")]
    Config(String),
    /// The data directory was not opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address can't be listened on.
    #[error("cannot listen on {address}: {source}; is another process using the port?")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The data directory is of another cluster than the seeds.
    #[error(
        "this data directory belongs to cluster {ours}, but seed {seed} belongs to another cluster, {theirs}: give this node \
         its own data directory, or an empty one to join anew; nothing was changed"
    )]
    ForeignCluster {
        /// Of the directory.
        ours: ClusterId,
        /// Of the seed.
        theirs: ClusterId,
        /// The seed.
        seed: String,
    },
    /// A stored shard can't be served.
    #[error(
        "the stored shards cannot be served: {0}; keep the data directory and restart, or start the node anew under a new id"
    )]
    Host(String),
}

/// Why a peer was turned away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It belongs elsewhere.
    #[error("this node belongs to cluster {ours}, not to {theirs}: check seeds and data directories")]
    ForeignCluster {
        /// Ours.
        ours: ClusterId,
        /// Theirs.
        theirs: ClusterId,
    },
    /// We belong nowhere yet.
    #[error("this node belongs to no cluster yet, and cluster {theirs} was not offered to it")]
    Unbound {
        /// Theirs.
        theirs: ClusterId,
    },
    /// We belong nowhere yet, so we can serve no router.
    #[error("this node belongs to no cluster yet: try again, or at another node")]
    Homeless,
    /// It did not say.
    #[error("the peer named no cluster")]
    NoCluster,
    /// It did not say who it is.
    #[error("the peer named no node that speaks")]
    NoSender,
    /// It wants another node.
    #[error("this is node {ours}, not {wanted}: the address has passed to another node")]
    WrongNode {
        /// This node.
        ours: u64,
        /// Who was meant.
        wanted: u64,
    },
    /// Its certificate does not entitle it.
    #[error("a {wanted} certificate is needed here")]
    WrongRole {
        /// The role that is needed.
        wanted: hansard_runtime::net::Role,
    },
    /// The binding could not be written.
    #[error("cannot write the cluster's id: {0}")]
    Storage(String),
}

impl From<HandshakeError> for tonic::Status {
    fn from(error: HandshakeError) -> Self {
        let (code, reason) = match &error {
            HandshakeError::ForeignCluster { .. } => (Code::FailedPrecondition, "FOREIGN_CLUSTER"),
            HandshakeError::Unbound { .. } | HandshakeError::Homeless => (Code::Unavailable, "NO_CLUSTER"),
            HandshakeError::NoCluster | HandshakeError::NoSender => (Code::InvalidArgument, reason::INVALID_ARGUMENT),
            HandshakeError::WrongNode { .. } => (Code::FailedPrecondition, "WRONG_NODE"),
            HandshakeError::WrongRole { .. } => (Code::PermissionDenied, "WRONG_ROLE"),
            HandshakeError::Storage(_) => (Code::Internal, reason::INTERNAL),
        };
        status::to_tonic(&status::new(code, reason, error.to_string()))
    }
}

/// Why the pump got no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The shard stopped here.
    #[error("the shard is not on this node")]
    NotHosted,
    /// The read failed.
    #[error("{0}")]
    Read(String),
}

/// Why a command for meta has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetaError {
    /// Nobody led in time, or the leader could not be reached. Maybe done, maybe not.
    #[error("meta did not answer in time: {0}")]
    Unknown(String),
    /// Meta said no.
    #[error("meta refused: {0}")]
    Refused(hansard_domain::Refusal),
}

/// A status that says that an operand is malformed.
pub(crate) fn invalid(what: impl Into<String>) -> rpc::Status {
    status::new(Code::InvalidArgument, reason::INVALID_ARGUMENT, what)
}
