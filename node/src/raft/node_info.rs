//! Who a node is, as memberships and the wire name it.

use std::fmt;

use hansard_proto::cluster::v1 as wire;

/// A node's identity and address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeInfo {
    /// Random, drawn at the first start, never used again by another node or by this one after its disk was wiped.
    pub id: u64,
    /// Its name, for people.
    pub name: String,
    /// Its site: replicas are spread over sites.
    pub site: String,
    /// Where nodes and routers reach it, `host:port`.
    pub address: String,
}

impl fmt::Display for NodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.site, self.address)
    }
}

impl From<wire::NodeInfo> for NodeInfo {
    fn from(info: wire::NodeInfo) -> Self {
        NodeInfo { id: info.id, name: info.name, site: info.site, address: info.address }
    }
}

impl From<NodeInfo> for wire::NodeInfo {
    fn from(info: NodeInfo) -> Self {
        wire::NodeInfo { id: info.id, name: info.name, site: info.site, address: info.address }
    }
}

/// A node as a membership keeps it, under its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Member {
    /// See [`NodeInfo::name`].
    pub name: String,
    /// See [`NodeInfo::site`].
    pub site: String,
    /// See [`NodeInfo::address`].
    pub address: String,
}

impl Member {
    /// The node with this id.
    pub fn node(&self, id: u64) -> NodeInfo {
        NodeInfo { id, name: self.name.clone(), site: self.site.clone(), address: self.address.clone() }
    }
}

impl From<NodeInfo> for Member {
    fn from(node: NodeInfo) -> Self {
        Member { name: node.name, site: node.site, address: node.address }
    }
}
