//! The cluster under test: three nodes that found it, one that joins it, two routers, and an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, process};

use anyhow::{Context, Result, ensure};
use hansard_client::v1::GetClusterStatusResponse;
use hansard_client::{Client, ClientError, Config};
use hansard_tokens::{AUDIENCE, ISSUER, Issuer};
use tokio::runtime::Runtime;

use crate::PATIENCE;
use crate::process::{GLANCE, Server};

/// Nodes that found the cluster.
pub(crate) const FOUNDERS: usize = 3;
/// The node that joins it.
pub(crate) const JOINER: usize = 3;
/// Nodes in all; servers have these numbers, and then routers.
pub(crate) const NODES: usize = 4;
pub(crate) const ROUTERS: usize = 2;
const SHARDS: usize = 6;
/// How long a node may take to say how it is.
const ANSWER: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Cluster {
    /// Nodes, then routers.
    pub(crate) servers: Vec<Server>,
    pub(crate) runtime: Runtime,
    pub(crate) directory: PathBuf,
    issuer: Issuer,
    operator: Option<Client>,
}

/// A loopback address of this process's own, so that no two clusters on a machine meet.
fn host(number: usize) -> String {
    let id = process::id();
    format!("127.{}.{}.{}", 1 + (id >> 8) % 250, id % 256, 1 + number)
}

fn node_address(number: usize) -> String {
    format!("{}:7400", host(number))
}

fn router_url(number: usize) -> String {
    format!("http://{}:7500", host(router(number)))
}

/// Which shard is where, and who leads it: nodes by number.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) leader: Option<usize>,
    pub(crate) voters: BTreeSet<usize>,
}

impl Cluster {
    /// Writes all settings below a directory; nothing runs yet.
    pub(crate) fn make(hansard: &Path, directory: &Path) -> Result<Self> {
        let issuer = Issuer::new()?;
        issuer.write_jwks(&directory.join("jwks.json"))?;
        let server = |role: &str, name: &str, text: String| -> Result<Server> {
            let config = directory.join(format!("{name}.toml"));
            fs::write(&config, text)?;
            Ok(Server::new(hansard, role, &config, directory, name))
        };
        let nodes = (0..NODES).map(|number| {
            let name = format!("node{number}");
            server("node", &name, node_settings(number, &directory.join(&name)))
        });
        let routers = (0..ROUTERS).map(|number| {
            let name = format!("router{number}");
            server("router", &name, router_settings(number, &directory.join("jwks.json")))
        });
        Ok(Self {
            servers: nodes.chain(routers).collect::<Result<_>>()?,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
            directory: directory.to_owned(),
            issuer,
            operator: None,
        })
    }

    /// A token for a person.
    pub(crate) fn token(&self, subject: &str) -> Result<String> {
        self.issuer.token(subject, if subject == "operator" { &["operator"] } else { &[] })
    }

    /// Connects as a person.
    pub(crate) async fn connect(token: String, first: usize) -> Result<Client, ClientError> {
        let mut routers: Vec<String> = (0..ROUTERS).map(router_url).collect();
        routers.rotate_left(first % ROUTERS);
        Client::connect(Config { connect_deadline: PATIENCE, deadline: PATIENCE, ..Config::new(routers, token) }).await
    }

    /// Says it as the operator until it is done.
    pub(crate) fn operate<T>(&mut self, say: impl AsyncFn(&Client) -> Result<T, ClientError>) -> Result<T> {
        let token = self.token("operator")?;
        let operator = match self.operator.take().filter(|client| client.ended().is_none()) {
            Some(operator) => operator,
            None => self.runtime.block_on(Self::connect(token, 0))?,
        };
        let said = self.runtime.block_on(say(&operator));
        self.operator = Some(operator);
        Ok(said?)
    }

    /// All shards.
    pub(crate) fn places(&mut self) -> Result<Vec<Place>> {
        let GetClusterStatusResponse { nodes, shards, .. } =
            self.operate(async |client| client.cluster_status().await)?;
        let numbers: BTreeMap<u64, usize> = nodes
            .iter()
            .filter_map(|node| Some((node.id, (0..NODES).find(|number| node_address(*number) == node.address)?)))
            .collect();
        let number = |id: &u64| numbers.get(id).copied();
        let place = |shard: hansard_client::v1::Shard| Place {
            leader: number(&shard.leader),
            voters: shard.voters.iter().filter_map(number).collect(),
            id: shard.id,
            name: shard.name,
        };
        Ok(shards.into_iter().map(place).collect())
    }

    /// The id of a node, as the cluster knows it.
    pub(crate) fn id(&mut self, node: usize) -> Result<u64> {
        let status = self.operate(async |client| client.cluster_status().await)?;
        let found = status.nodes.iter().find(|other| other.address == node_address(node));
        Ok(found.with_context(|| format!("node{node} is not known"))?.id)
    }

    /// Asks the leader of a shard to hand over to another node. May come to nothing: whoever wants to see it done asks again.
    pub(crate) fn hand_over(&mut self, shard: &str, to: usize) -> Result<()> {
        let to = self.id(to)?;
        match self.operate(async |client| client.transfer_leader(shard, to).await) {
            Err(error) if error.downcast_ref::<ClientError>().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts a server. Its points do what they were told last.
    pub(crate) fn start(&mut self, server: usize) -> Result<()> {
        self.servers[server].start(&[])
    }

    /// Waits until a node serves. For a router there is nothing to wait for: clients find out themselves.
    pub(crate) fn serves(&mut self, server: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while server < NODES && !is_ready(server) {
            let server = &mut self.servers[server];
            let status = server.status()?;
            ensure!(status.is_none(), "{} ended with {status:?}:\n{}", server.name, server.last_words());
            ensure!(Instant::now() < until, "{} does not serve:\n{}", server.name, server.last_words());
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }
}

/// The number of a router among the servers.
pub(crate) fn router(number: usize) -> usize {
    NODES + number
}

/// Whether a node says that it is ready.
pub(crate) fn is_ready(node: usize) -> bool {
    get(node, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Shard to the newest entry that a node has applied and the entries of its record.
pub(crate) fn applied(node: usize) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut replicas: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in get(node, "/metrics")?.lines() {
        if let Some((shard, value)) = gauge(line, "node_shard_applied_index{") {
            replicas.entry(shard).or_default().0 = value;
        } else if let Some((shard, value)) = gauge(line, "node_shard_record_entries{") {
            replicas.entry(shard).or_default().1 = value;
        }
    }
    Ok(replicas)
}

fn gauge(line: &str, name: &str) -> Option<(String, u64)> {
    let (_, labels) = line.split_once(name)?;
    let (shard, value) = labels.split_once("shard=\"")?.1.split_once("\"} ")?;
    Some((shard.to_owned(), value.trim().parse().ok()?))
}

fn get(node: usize, path: &str) -> Result<String> {
    let address = format!("{}:7401", host(node));
    let mut stream = TcpStream::connect_timeout(&address.parse()?, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn node_settings(number: usize, data: &Path) -> String {
    let seeds: Vec<String> = (0..FOUNDERS).map(node_address).collect();
    format!(
        "name = \"node{number}\"\nsite = \"site{number}\"\nlisten = {:?}\nmetrics_listen = \"{}:7401\"\ndata = {data:?}\n\
         seeds = {seeds:?}\nbootstrap_expect = {}\nshards = {SHARDS}\n",
        node_address(number),
        host(number),
        if number < FOUNDERS { FOUNDERS } else { 0 },
    )
}

fn router_settings(number: usize, jwks: &Path) -> String {
    let (address, nodes) = (host(router(number)), (0..NODES).map(node_address).collect::<Vec<_>>());
    format!(
        "name = \"router{number}\"\nsite = \"site{number}\"\ngrpc_listen = \"{address}:7500\"\n\
         ws_listen = \"{address}:7501\"\nmetrics_listen = \"{address}:7502\"\nnodes = {nodes:?}\njwks = {jwks:?}\n\
         issuer = {ISSUER:?}\naudience = {AUDIENCE:?}\ndrain_seconds = 1\n"
    )
}
