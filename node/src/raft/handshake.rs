//! What every stream to another node says first: the cluster, who speaks, and which node is meant.

use std::sync::{Arc, OnceLock};

use hansard_domain::ClusterId;
use tonic::Request;
use tonic::metadata::MetadataMap;

/// Header: the sender's cluster, 32 hexadecimal digits.
pub const CLUSTER: &str = "hansard-cluster";
/// Header: the id of the node that is meant. Another node may have got its address.
pub const TO: &str = "hansard-to";

/// Header: the id of the node that speaks.
pub const FROM: &str = "hansard-from";

/// The id of a node in one of these headers; none if it is missing or no number.
pub fn node(headers: &MetadataMap, header: &str) -> Option<u64> {
    headers.get(header)?.to_str().ok()?.parse().ok()
}

/// The cluster, once this node belongs to one. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Handshake(Arc<OnceLock<ClusterId>>);

impl Handshake {
    /// From now on streams name this cluster.
    ///
    /// # Panics
    /// If they have named another one: a node never changes its cluster.
    pub fn set(&self, cluster: ClusterId) {
        assert_eq!(*self.0.get_or_init(|| cluster), cluster, "a node never changes its cluster");
    }

    /// A request that says what the other node checks.
    pub fn request<T>(&self, from: u64, to: u64, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let headers = request.metadata_mut();
        if let Some(cluster) = self.0.get() {
            headers.insert(CLUSTER, cluster.to_string().parse().expect("hexadecimal digits are a header"));
        }
        headers.insert(FROM, from.to_string().parse().expect("digits are a header"));
        headers.insert(TO, to.to_string().parse().expect("digits are a header"));
        request
    }
}
