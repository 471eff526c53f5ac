//! Which processes a development cluster has, and what each is told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use hansard_runtime::net::Role;

use super::ca::Ca;
use super::files;
use super::layout::Layout;
use super::ports;
use crate::token::{AUDIENCE, DEV_ISSUER};

/// Where nodes stand, in turn.
const NODE_SITES: [&str; 3] = ["boston", "denver", "bangalore"];
/// Where routers stand, in turn.
const ROUTER_SITES: [&str; 2] = ["boston", "denver"];
/// What each kind of process listens on.
const NODE_PORTS: &[&str] = &["rpc", "metrics"];
const ROUTER_PORTS: &[&str] = &["grpc", "ws", "metrics"];

/// How long a router's clients get to go elsewhere; a person who types Ctrl-C waits for it.
const DRAIN_SECONDS: u64 = 2;

/// A process to run.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) site: &'static str,
    ports: BTreeMap<String, u16>,
}

impl Server {
    /// `host:port` of one of its listeners.
    pub(crate) fn address(&self, purpose: &str) -> String {
        format!("127.0.0.1:{}", self.ports.get(purpose).copied().unwrap_or(0))
    }

    pub(crate) fn grpc_url(&self) -> String {
        format!("http://{}", self.address("grpc"))
    }

    pub(crate) fn ws_url(&self) -> String {
        format!("ws://{}/v1/connect", self.address("ws"))
    }

    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address("metrics"))
    }
}

/// All processes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Server>,
    pub(crate) routers: Vec<Server>,
}

impl Plan {
    /// Names, places and free ports.
    pub(crate) fn make(layout: &Layout, nodes: usize, routers: usize) -> Result<Self> {
        let mut wanted: Vec<(String, &'static [&'static str])> = Vec::new();
        wanted.extend((1..=nodes).map(|n| (format!("node{n}"), NODE_PORTS)));
        wanted.extend((1..=routers).map(|n| (format!("router{n}"), ROUTER_PORTS)));
        let mut ports = ports::pick(layout, &wanted)?;
        let mut servers = |role, count: usize, sites: &[&'static str]| -> Vec<Server> {
            (0..count)
                .map(|n| {
                    let name = format!("{role}{}", n + 1);
                    let ports = ports.remove(&name).unwrap_or_default();
                    Server { name, role, site: sites[n % sites.len()], ports }
                })
                .collect()
        };
        Ok(Self {
            nodes: servers(Role::Node, nodes, &NODE_SITES),
            routers: servers(Role::Router, routers, &ROUTER_SITES),
        })
    }

    /// Nodes, then routers.
    pub(crate) fn servers(&self) -> impl DoubleEndedIterator<Item = &Server> {
        self.nodes.iter().chain(&self.routers)
    }

    /// Makes certificates, and the settings file of every process.
    pub(crate) fn write(&self, layout: &Layout, ca: &Ca, shards: usize) -> Result<()> {
        let nodes: Vec<String> = self.nodes.iter().map(|node| node.address("rpc")).collect();
        for server in self.servers() {
            ca.ensure(layout, &server.name, server.role)?;
            let text = match server.role {
                Role::Node => node_settings(layout, server, &nodes, shards),
                Role::Router => router_settings(layout, server, &nodes),
            };
            files::write(&layout.config(&server.name), text.as_bytes())?;
        }
        Ok(())
    }
}

fn node_settings(layout: &Layout, node: &Server, nodes: &[String], shards: usize) -> String {
    let mut text = common_settings(layout, node);
    put(&mut text, "listen", &node.address("rpc"));
    put(&mut text, "data", &path(&layout.node_data(&node.name)));
    put(&mut text, "seeds", nodes);
    put(&mut text, "bootstrap_expect", &nodes.len());
    put(&mut text, "shards", &shards);
    text
}

fn router_settings(layout: &Layout, router: &Server, nodes: &[String]) -> String {
    let mut text = common_settings(layout, router);
    put(&mut text, "grpc_listen", &router.address("grpc"));
    put(&mut text, "ws_listen", &router.address("ws"));
    put(&mut text, "nodes", nodes);
    put(&mut text, "jwks", &path(&layout.jwks()));
    put(&mut text, "issuer", DEV_ISSUER);
    put(&mut text, "audience", AUDIENCE);
    put(&mut text, "drain_seconds", &DRAIN_SECONDS);
    text
}

fn common_settings(layout: &Layout, server: &Server) -> String {
    let mut text = "# Written by `hansard dev` at every start.\n".to_owned();
    put(&mut text, "name", &server.name);
    put(&mut text, "site", server.site);
    put(&mut text, "metrics_listen", &server.address("metrics"));
    put(&mut text, "tls_cert", &path(&layout.cert(&server.name)));
    put(&mut text, "tls_key", &path(&layout.key(&server.name)));
    put(&mut text, "tls_ca", &path(&layout.ca_cert()));
    text
}

/// JSON's numbers, strings and arrays of them are TOML's too.
fn put(text: &mut String, key: &str, value: &(impl serde::Serialize + ?Sized)) {
    let value = serde_json::to_string(value).unwrap_or_default();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{key} = {value}");
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_go_round_and_settings_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        files::private_directory(&layout.dev()).unwrap();
        let plan = Plan::make(&layout, 4, 2).unwrap();
        let sites: Vec<&str> = plan.servers().map(|server| server.site).collect();
        assert_eq!(sites, ["boston", "denver", "bangalore", "boston", "boston", "denver"]);
        assert_eq!(plan.servers().map(|server| server.name.as_str()).next_back(), Some("router2"));
        plan.write(&layout, &Ca::load_or_create(&layout).unwrap(), 12).unwrap();
        let text = std::fs::read_to_string(layout.config("node4")).unwrap();
        assert!(text.contains("bootstrap_expect = 4\n") && text.contains("site = \"boston\"\n"), "{text}");
        let text = std::fs::read_to_string(layout.config("router1")).unwrap();
        assert!(text.contains(&format!("grpc_listen = {:?}\n", plan.routers[0].address("grpc"))), "{text}");
    }
}
