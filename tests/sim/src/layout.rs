//! Who there is, and where.

use hansard_node::NodeConfig;

/// Machines for nodes. The first [`FOUNDERS`] found the cluster; the others are switched on later.
pub(crate) const NODES: usize = 5;
/// Nodes that found the cluster.
pub(crate) const FOUNDERS: usize = 3;
/// Routers before it.
pub(crate) const ROUTERS: usize = 2;
/// People.
pub(crate) const CLIENTS: usize = 5;
/// The first of them own a room each; the last two come and go.
pub(crate) const ROOMS: usize = 3;
/// The room that nobody enters without an invitation.
pub(crate) const PRIVATE_ROOM: usize = 2;
/// Shards of rooms: fewer than rooms, so that some share one.
pub(crate) const SHARDS: usize = 2;
/// Sites.
pub(crate) const SITES: [&str; 3] = ["boston", "denver", "bangalore"];
/// Bytes of the log that a node keeps: two segments.
const LOG_BYTES: u64 = 512 << 10;
/// The operator's host.
pub(crate) const OPERATOR: &str = "operator";

/// Whether this person stays in all rooms from the beginning to the end.
pub(crate) fn stays(client: usize) -> bool {
    client < ROOMS
}

/// A node's host name.
pub(crate) fn node_name(index: usize) -> String {
    format!("node{index}")
}

/// A router's host name.
pub(crate) fn router_name(index: usize) -> String {
    format!("router{index}")
}

/// A client's host name.
pub(crate) fn client_name(index: usize) -> String {
    format!("client{index}")
}

/// Where nodes and routers reach a node.
pub(crate) fn node_address(index: usize) -> String {
    format!("{}:7400", node_name(index))
}

/// A router's URL.
pub(crate) fn router_url(index: usize) -> String {
    format!("http://{}:7000", router_name(index))
}

/// A node's site.
pub(crate) fn site(index: usize) -> &'static str {
    SITES[index % SITES.len()]
}

/// Nodes and routers.
pub(crate) fn servers() -> Vec<String> {
    (0..NODES).map(node_name).chain((0..ROUTERS).map(router_name)).collect()
}

/// Nodes, routers, people.
pub(crate) fn everybody() -> Vec<String> {
    servers().into_iter().chain((0..CLIENTS).map(client_name)).collect()
}

/// The hosts at a site, and all others.
pub(crate) fn split(site: usize) -> (Vec<String>, Vec<String>) {
    let here = |host: &String| {
        let number = host.trim_start_matches(char::is_alphabetic).parse::<usize>();
        number.is_ok_and(|number| number % SITES.len() == site)
    };
    everybody().into_iter().partition(here)
}

/// A node's configuration; each data directory of a machine has a name of its own.
pub(crate) fn node_config(index: usize, generation: u64, snapshot_entries: u64) -> NodeConfig {
    let mut config = NodeConfig::new(format!("{}.{generation}", node_name(index)), site(index), "/simulated");
    config.listen = "0.0.0.0:7400".to_owned();
    config.metrics_listen = "0.0.0.0:7401".to_owned();
    config.advertise = Some(node_address(index));
    config.seeds = (0..FOUNDERS).map(node_address).collect();
    // A machine that comes later, or with an empty disk, joins and founds nothing.
    config.bootstrap_expect = if index < FOUNDERS && generation == 0 { FOUNDERS as u32 } else { 0 };
    config.shards = SHARDS;
    config.allow_plaintext = true;
    config.snapshot_entries = snapshot_entries;
    config.log_bytes = LOG_BYTES;
    config
}
