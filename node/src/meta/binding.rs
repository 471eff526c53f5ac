//! The cluster that this node belongs to: nothing at first, then one for good.

use hansard_domain::ClusterId;
use hansard_storage::Store;

use crate::{error::HandshakeError, lock::Mutex, raft::handshake::Handshake};

/// See the module.
pub(crate) struct Binding {
    store: Store,
    handshake: Handshake,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    bound: Option<ClusterId>,
    /// Offered by a founder that has not begun yet; forgotten with the process.
    offered: Option<ClusterId>,
}

impl Binding {
    /// As the directory says.
    pub(crate) fn new(store: Store, handshake: Handshake) -> Self {
        let bound = store.identity().cluster;
        if let Some(cluster) = bound {
            handshake.set(cluster);
        }
        Self { store, handshake, state: Mutex::new(State { bound, offered: None }) }
    }

    /// The cluster, once there is one.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.state.lock().bound
    }

    /// What the wire says for [`Binding::cluster`]: 16 bytes, or none.
    pub(crate) fn to_wire(&self) -> bytes::Bytes {
        self.cluster().map(|cluster| bytes::Bytes::copy_from_slice(cluster.as_bytes())).unwrap_or_default()
    }

    /// A founder that has asked everybody offers this cluster. Binds nothing yet: it may fail and be offered anew.
    pub(crate) fn offer(&self, cluster: ClusterId) -> Result<(), HandshakeError> {
        let mut state = self.state.lock();
        match state.bound {
            Some(bound) if bound != cluster => Err(HandshakeError::ForeignCluster { ours: bound, theirs: cluster }),
            Some(_) => Ok(()),
            None => {
                state.offered = Some(cluster);
                Ok(())
            }
        }
    }

    /// Binds this node to the cluster, durably.
    pub(crate) fn bind(&self, cluster: ClusterId) -> Result<(), HandshakeError> {
        let mut state = self.state.lock();
        match state.bound {
            Some(bound) if bound == cluster => Ok(()),
            Some(bound) => Err(HandshakeError::ForeignCluster { ours: bound, theirs: cluster }),
            None => {
                self.store.set_cluster(cluster).map_err(|error| HandshakeError::Storage(error.to_string()))?;
                self.handshake.set(cluster);
                state.bound = Some(cluster);
                Ok(())
            }
        }
    }

    /// Whether a peer of this cluster may talk to us. What was offered is bound by the first that uses it, so that no log
    /// exists whose cluster is not on the disk.
    pub(crate) fn admit(&self, wire: &[u8]) -> Result<(), HandshakeError> {
        let theirs = ClusterId::from_slice(wire).map_err(|_| HandshakeError::NoCluster)?;
        let state = *self.state.lock();
        match state.bound {
            Some(bound) if bound == theirs => Ok(()),
            Some(bound) => Err(HandshakeError::ForeignCluster { ours: bound, theirs }),
            None if state.offered == Some(theirs) => self.bind(theirs),
            None => Err(HandshakeError::Unbound { theirs }),
        }
    }
}
