//! Three offices far apart: what an ack costs.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use hansard_client::{
    Client, Config,
    v1::{GetClusterStatusResponse, Visibility},
};
use hansard_node::{NodeConfig, NodeHandle};
use hansard_router::{RouterConfig, RouterHandle};
use hansard_runtime::{Clock, OsEntropy, SystemClock};
use hansard_stack::{
    distance::{FromSite, Map},
    tokens::{AUDIENCE, ISSUER, Issuer},
};

const SITES: [&str; 3] = ["boston", "denver", "bangalore"];

/// What an ack may cost beyond the way of the light: fsyncs, two busy cores.
const SLACK: Duration = Duration::from_millis(20);

/// Sends that are timed for each median.
const SENDS: usize = 15;

struct World {
    map: Arc<Map>,
    nodes: Vec<NodeHandle>,
    ids: Vec<u64>,
    routers: Vec<RouterHandle>,
    token: String,
    _dir: tempfile::TempDir,
}

fn one_way() -> Arc<Map> {
    let ms = Duration::from_millis;
    Map::new(&[("boston", "denver", ms(20)), ("boston", "bangalore", ms(110)), ("denver", "bangalore", ms(120))])
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl World {
    /// Three nodes, one in each office, with one shard; a router in Boston and one in Denver.
    async fn start() -> World {
        let map = one_way();
        let dir = tempfile::tempdir().unwrap();
        let addresses: Vec<String> = SITES.iter().map(|_| free_address()).collect();
        addresses.iter().zip(SITES).for_each(|(address, site)| map.place(address, site));
        let mut nodes = Vec::new();
        for (n, site) in SITES.into_iter().enumerate() {
            let config = NodeConfig {
                listen: addresses[n].clone(),
                metrics_listen: "127.0.0.1:0".to_owned(),
                seeds: addresses.clone(),
                bootstrap_expect: 3,
                shards: 1,
                ..NodeConfig::new(format!("node{}", n + 1), site, dir.path().join(site))
            };
            let seams = hansard_node::Seams {
                transport: Arc::new(FromSite { site, map: map.clone() }),
                clock: Arc::new(SystemClock),
                entropy: Arc::new(OsEntropy),
                open: None,
            };
            nodes.push(hansard_node::run(config, seams).await.expect("a node"));
        }
        let issuer = Issuer::default();
        let jwks = dir.path().join("jwks.json");
        issuer.write_jwks(&jwks);
        let mut routers = Vec::new();
        for site in &SITES[..2] {
            let config = RouterConfig {
                name: format!("router-{site}"),
                site: (*site).to_owned(),
                grpc_listen: "127.0.0.1:0".to_owned(),
                ws_listen: "127.0.0.1:0".to_owned(),
                metrics_listen: "127.0.0.1:0".to_owned(),
                advertise_grpc: None,
                nodes: addresses.clone(),
                tls: None,
                client_tls: None,
                allow_plaintext: false,
                jwks: jwks.display().to_string(),
                jwks_ca: None,
                issuer: ISSUER.to_owned(),
                audience: AUDIENCE.to_owned(),
                rates: Default::default(),
                drain_seconds: 1,
            };
            let transport = Arc::new(FromSite { site, map: map.clone() });
            let seams = hansard_router::Seams { transport, clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) };
            routers.push(hansard_router::run(config, seams).await.expect("a router"));
        }
        let ids = nodes.iter().map(|node| node.id).collect();
        let token = issuer.token("alice", &["operator"], SystemClock.now_us() / 1_000_000, 3_600);
        World { map, nodes, ids, routers, token, _dir: dir }
    }

    /// A person in the office of a router.
    async fn client(&self, router: usize) -> Client {
        let mut config = Config::new([format!("http://{}", self.routers[router].grpc_addr)], self.token.clone());
        config.connect_deadline = Duration::from_secs(60);
        Client::connect(config).await.expect("a session")
    }

    fn round_trip(&self, a: &'static str, b: &'static str) -> Duration {
        self.map.distance(a, b) * 2
    }

    /// From a leader to the nearest other voter: with it, two of three.
    fn nearest_quorum(&self, leader: &'static str) -> Duration {
        SITES.into_iter().filter(|site| *site != leader).map(|site| self.round_trip(leader, site)).min().unwrap()
    }
}

/// Hands the shard to a node, and waits until it leads.
async fn lead(operator: &Client, node: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut asked = Instant::now() - Duration::from_secs(60);
    loop {
        let status: GetClusterStatusResponse = operator.cluster_status().await.expect("a status");
        let shard = status.shards.iter().find(|shard| shard.name != "meta");
        match shard {
            Some(shard) if shard.leader == node => return,
            // A hand-over may be refused while the cluster settles.
            Some(shard) if shard.leader != 0 && asked.elapsed() > Duration::from_secs(3) => {
                asked = Instant::now();
                let _ = operator.transfer_leader(&shard.name, node).await;
            }
            _ => {}
        }
        assert!(Instant::now() < deadline, "{node} never leads: {status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_costs_the_way_to_the_nearest_quorum_and_no_more() {
    let world = World::start().await;
    let clients = [world.client(0).await, world.client(1).await];
    let room = clients[0].create_room("far and near", "", Visibility::Private).await.expect("a room").id;
    for (n, leader) in SITES.into_iter().enumerate() {
        lead(&clients[0], world.ids[n]).await;
        for (client, office) in clients.iter().zip(SITES) {
            client.send(&room, "the first one finds the leader").await.expect("committed");
            let mut times = Vec::new();
            for _ in 0..SENDS {
                let from = Instant::now();
                client.send(&room, "hello, all").await.expect("committed");
                times.push(from.elapsed());
            }
            times.sort_unstable();
            let (p50, way) = (times[SENDS / 2], world.nearest_quorum(leader) + world.round_trip(office, leader));
            println!("leader in {leader}, person in {office}: p50 {p50:?}, the way takes {way:?}");
            assert!(p50 <= way + SLACK, "p50 {p50:?} from {office} with the leader in {leader}; the way takes {way:?}");
            assert!(p50 >= way, "{p50:?} is faster than light: the test measures nothing");
        }
    }
    for node in world.nodes {
        node.shutdown().await;
    }
}
