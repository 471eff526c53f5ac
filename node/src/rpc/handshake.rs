//! Who may talk to us: roles by certificate, the cluster by its id, this node by its own.

use hansard_domain::ClusterId;
use hansard_runtime::net::{PeerInfo, Role};
use tonic::{Extensions, metadata::MetadataMap};

use crate::{error::HandshakeError, meta::Binding, raft::handshake};

/// Refuses a peer whose certificate does not name this role.
pub(super) fn role(extensions: &Extensions, wanted: Role) -> Result<(), HandshakeError> {
    match extensions.get::<PeerInfo>() {
        Some(peer) if peer.may_act_as(wanted) => Ok(()),
        _ => Err(HandshakeError::WrongRole { wanted }),
    }
}

/// Who speaks. Refuses a consensus stream of another cluster, or for another node that had our address before.
pub(super) fn stream(headers: &MetadataMap, binding: &Binding, local: u64) -> Result<u64, HandshakeError> {
    let cluster = headers.get(handshake::CLUSTER).and_then(|value| value.to_str().ok());
    let cluster: Option<ClusterId> = cluster.and_then(|hex| hex.parse().ok());
    binding.admit(cluster.ok_or(HandshakeError::NoCluster)?.as_bytes())?;
    match handshake::node(headers, handshake::TO) {
        Some(wanted) if wanted != local => Err(HandshakeError::WrongNode { ours: local, wanted }),
        _ => handshake::node(headers, handshake::FROM).ok_or(HandshakeError::NoSender),
    }
}
