//! Which loopback ports the processes get. Ports are remembered, so that addresses survive a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

use super::files;
use super::layout::Layout;

/// Ports by process and purpose.
pub(crate) type Ports = BTreeMap<String, BTreeMap<String, u16>>;

/// The range to pick from lies below the kernel's own (32768 and up), out of which outgoing connections would take a
/// port while its process is down.
const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;
/// Clusters that are started side by side begin this far apart, so that they hardly ever try the same port.
const APART: u32 = 24;

/// Gives every wanted process and purpose a free port: the remembered one where that is free.
pub(crate) fn pick(layout: &Layout, wanted: &[(String, &'static [&'static str])]) -> Result<Ports> {
    let remembered: Ports = match std::fs::read(layout.ports()) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} cannot be read; remove it to pick new ports", layout.ports().display()))?,
        Err(_) => Ports::new(),
    };
    let mut taken: BTreeSet<u16> = remembered.values().flat_map(BTreeMap::values).copied().collect();
    let mut next = std::process::id().wrapping_mul(APART);
    // All are held until all are picked.
    let mut held = Vec::new();
    let mut ports = remembered.clone();
    for (name, purposes) in wanted {
        for purpose in *purposes {
            let last = remembered.get(name).and_then(|of| of.get(*purpose)).copied();
            let (port, listener) = match last.and_then(|port| Some((port, try_listen(port)?))) {
                Some(kept) => kept,
                None => pick_new(&mut next, &taken)?,
            };
            taken.insert(port);
            held.push(listener);
            ports.entry(name.clone()).or_default().insert((*purpose).to_owned(), port);
        }
    }
    files::write(&layout.ports(), &serde_json::to_vec_pretty(&ports)?)?;
    Ok(ports)
}

fn pick_new(next: &mut u32, taken: &BTreeSet<u16>) -> Result<(u16, TcpListener)> {
    for _ in 0..COUNT {
        let port = FIRST + u16::try_from(*next % COUNT).unwrap_or(0);
        *next = next.wrapping_add(1);
        if taken.contains(&port) {
            continue;
        }
        if let Some(listener) = try_listen(port) {
            return Ok((port, listener));
        }
    }
    bail!("no port from {FIRST} up is free on 127.0.0.1")
}

fn try_listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_kept_unless_taken() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        files::private_directory(&layout.dev()).unwrap();
        let wanted: [(String, &'static [&'static str]); 2] =
            [("node1".to_owned(), &["rpc", "metrics"]), ("router1".to_owned(), &["grpc"])];
        let first = pick(&layout, &wanted).unwrap();
        let all: BTreeSet<u16> = first.values().flat_map(BTreeMap::values).copied().collect();
        assert_eq!(all.len(), 3, "{first:?}");
        assert_eq!(pick(&layout, &wanted).unwrap(), first);

        let _stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, first["node1"]["rpc"])).unwrap();
        let second = pick(&layout, &wanted).unwrap();
        assert_ne!(second["node1"]["rpc"], first["node1"]["rpc"]);
        assert_eq!(second["router1"], first["router1"]);
    }
}
