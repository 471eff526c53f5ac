//! What the cluster kept, at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hansard_checker::format::{Cluster as Line, Kind};
use hansard_checker::{Summary, Writer, check_files};

use crate::PATIENCE;
use crate::cluster::{Cluster, NODES, Place, applied};

/// Between two looks at all replicas.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until all replicas are equal, stops everything, and has all histories checked.
pub(crate) fn check(cluster: &mut Cluster, chaos: &Path, histories: &Path) -> Result<Summary> {
    let until = Instant::now() + PATIENCE;
    let places = loop {
        match equal(cluster) {
            Ok(places) => break places,
            Err(error) => ensure!(Instant::now() < until, "replicas do not become equal: {error:#}"),
        }
        std::thread::sleep(LOOK);
    };
    for server in cluster.servers.iter_mut().rev() {
        server.stop()?;
    }
    for node in &cluster.servers[..NODES] {
        let mut dump = Command::new(chaos);
        dump.args(["dump", "--name", &node.name, "--data"]).arg(cluster.directory.join(&node.name));
        ensure!(dump.arg("--out").arg(histories).status()?.success(), "{} could not be dumped", node.name);
    }
    let mut out = Writer::create(histories, Kind::Cluster, "end")?;
    for (place, entries) in &places {
        let voters = place.voters.iter().map(|voter| &*cluster.servers[*voter].name).collect();
        out.line(&Line::Shard { id: &place.id, voters, entries: *entries })?;
    }
    out.finish()?;
    check_files(&[histories.to_owned()], 1).context("checking the histories")
}

/// Where everything is, and how many entries each shard's record has, if its replicas have applied the same; else what is not
/// so yet.
fn equal(cluster: &mut Cluster) -> Result<Vec<(Place, u64)>> {
    let places = cluster.places()?;
    let replicas: Vec<BTreeMap<String, (u64, u64)>> = (0..NODES).map(applied).collect::<Result<_>>()?;
    let compare = |place: Place| {
        let applied: BTreeSet<_> = place.voters.iter().map(|voter| replicas[*voter].get(&place.id)).collect();
        let same = if applied.len() == 1 { applied.first().copied().flatten() } else { None };
        let (_, entries) = same.with_context(|| format!("{place:?}: {applied:?}"))?;
        ensure!(place.voters.len() >= 3, "{place:?}: fewer than three vote");
        Ok((place, *entries))
    };
    places.into_iter().map(compare).collect()
}
