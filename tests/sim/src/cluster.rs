//! The hosts: nodes on simulated disks, and routers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hansard_router::RouterConfig;
use hansard_runtime::SeededEntropy;
use turmoil::Sim;

use crate::{
    clock::HostClock,
    findings::Findings,
    layout::{FOUNDERS, NODES, ROUTERS, node_address, node_name, router_name, router_url, site},
    machine::Machine,
    net::TurmoilTransport,
    seed::Plan,
    tokens, trace,
};

/// Adds the nodes and routers. Those nodes that do not found the cluster are not switched on.
pub(crate) fn build(sim: &mut Sim<'_>, plan: &Plan, jwks: &Path, findings: &Findings) -> Vec<Machine> {
    let machines: Vec<Machine> = (0..NODES).map(|index| Machine::new(index, plan, findings)).collect();
    for machine in machines.iter().cloned() {
        let name = node_name(machine.index);
        let founds = machine.index < FOUNDERS;
        sim.host(name.as_str(), move || machine.clone().run());
        if !founds {
            sim.crash(name);
        }
    }
    for index in 0..ROUTERS {
        let (jwks, seed) = (jwks.to_owned(), plan.derive("router", index));
        let clock = Arc::new(HostClock::new(plan.clocks[NODES + index]));
        sim.host(router_name(index), move || run_router(index, jwks.clone(), seed, clock.clone()));
    }
    machines
}

async fn run_router(index: usize, jwks: PathBuf, seed: u64, clock: Arc<HostClock>) -> turmoil::Result {
    let config: RouterConfig = serde_json::from_value(serde_json::json!({
        "name": router_name(index), "site": site(index),
        "grpc_listen": "0.0.0.0:7000", "ws_listen": "0.0.0.0:7001", "metrics_listen": "0.0.0.0:7002",
        "advertise_grpc": router_url(index), "nodes": (0..FOUNDERS).map(node_address).collect::<Vec<_>>(),
        "allow_plaintext": true, "jwks": jwks, "issuer": tokens::ISSUER,
    }))?;
    let seams = hansard_router::Seams {
        transport: Arc::new(TurmoilTransport),
        clock,
        entropy: Arc::new(SeededEntropy::new(seed ^ turmoil::sim_elapsed().unwrap_or_default().as_nanos() as u64)),
    };
    let handle = hansard_router::run(config, seams).await?;
    trace::note("router started");
    std::future::pending::<()>().await;
    drop(handle);
    Ok(())
}
