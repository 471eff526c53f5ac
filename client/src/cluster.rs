//! Calls about the cluster. All but the status ask for the role "operator".

use hansard_proto::v1::{
    DecommissionNodeRequest, DecommissionNodeResponse, GetClusterStatusRequest, GetClusterStatusResponse,
    JoinNodeRequest, JoinNodeResponse, MoveReplicaRequest, MoveReplicaResponse, RevokeTokenRequest,
    RevokeTokenResponse, TransferLeaderRequest, TransferLeaderResponse, revoke_token_request::Target,
};

use crate::{Client, ClientError};

impl Client {
    /// Nodes, shards, and who leads what.
    pub async fn cluster_status(&self) -> Result<GetClusterStatusResponse, ClientError> {
        self.call("hansard.v1.ClusterService/GetClusterStatus", &GetClusterStatusRequest {}, None).await
    }

    /// Gives a standby node its share of the shards.
    pub async fn join_node(&self, node: u64) -> Result<JoinNodeResponse, ClientError> {
        let request = JoinNodeRequest { request_id: self.request_id().to_string(), node };
        self.call("hansard.v1.ClusterService/JoinNode", &request, Some(&request.request_id)).await
    }

    /// Moves every replica off a node, then removes it for good. Returns when the intent is recorded.
    pub async fn decommission_node(&self, node: u64) -> Result<DecommissionNodeResponse, ClientError> {
        let request = DecommissionNodeRequest { request_id: self.request_id().to_string(), node };
        self.call("hansard.v1.ClusterService/DecommissionNode", &request, Some(&request.request_id)).await
    }

    /// Asks a shard's leader to hand over.
    pub async fn transfer_leader(&self, shard: &str, to_node: u64) -> Result<TransferLeaderResponse, ClientError> {
        let request =
            TransferLeaderRequest { request_id: self.request_id().to_string(), shard: shard.to_owned(), to_node };
        self.call("hansard.v1.ClusterService/TransferLeader", &request, Some(&request.request_id)).await
    }

    /// Moves a shard's replica from one node to another.
    pub async fn move_replica(
        &self,
        shard: &str,
        from_node: u64,
        to_node: u64,
    ) -> Result<MoveReplicaResponse, ClientError> {
        let request = MoveReplicaRequest {
            request_id: self.request_id().to_string(),
            shard: shard.to_owned(),
            from_node,
            to_node,
        };
        self.call("hansard.v1.ClusterService/MoveReplica", &request, Some(&request.request_id)).await
    }

    /// Ends a token, or all tokens of a person issued until now, the whole of this second included.
    pub async fn revoke(&self, target: Target) -> Result<RevokeTokenResponse, ClientError> {
        let request = RevokeTokenRequest { request_id: self.request_id().to_string(), target: Some(target) };
        self.call("hansard.v1.ClusterService/RevokeToken", &request, Some(&request.request_id)).await
    }
}
