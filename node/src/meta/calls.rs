//! Calls to other nodes, besides consensus.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use hansard_proto::cluster::v1::{self as wire, peer_service_client::PeerServiceClient};
use hansard_runtime::net::{Role, Tls, Transport, channel};
use tonic::transport::Channel;

use crate::{lock::Mutex, raft::NodeInfo};

/// Addresses whose channels are kept.
const CHANNELS: usize = 1_024;

/// How long the opening of a shard may take.
const HOST_SHARD: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Calls {
    transport: Arc<dyn Transport>,
    tls: Option<Arc<Tls>>,
    channels: Mutex<HashMap<String, Channel>>,
}

impl Calls {
    /// Over this network.
    pub(crate) fn new(transport: Arc<dyn Transport>, tls: Option<Arc<Tls>>) -> Self {
        Self { transport, tls, channels: Mutex::default() }
    }

    /// A client of whoever is at this address.
    pub(crate) fn client(&self, address: &str) -> io::Result<PeerServiceClient<Channel>> {
        let mut channels = self.channels.lock();
        if let Some(kept) = channels.get(address) {
            return Ok(PeerServiceClient::new(kept.clone()));
        }
        let fresh = channel(self.transport.clone(), address, self.tls.clone(), Role::Node)?;
        if channels.len() >= CHANNELS {
            channels.clear();
        }
        channels.insert(address.to_owned(), fresh.clone());
        Ok(PeerServiceClient::new(fresh))
    }

    /// Asks a node to open a replica.
    pub(crate) async fn host_shard(&self, node: &NodeInfo, request: wire::HostShardRequest) -> Result<(), String> {
        let mut client = self.client(&node.address).map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(HOST_SHARD, client.host_shard(request)).await;
        match answer {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(format!("{node}: {}", status.message())),
            Err(_) => Err(format!("{node} did not open the shard in time")),
        }
    }
}
