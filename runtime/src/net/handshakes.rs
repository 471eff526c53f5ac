//! Handshakes under way: bounded over all, and for each address, so that one that says nothing takes no others' places.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handshakes that may run at once; further connections wait in the kernel's backlog.
pub const MAX_HANDSHAKES: usize = 256;
/// Of these, handshakes from one address; further connections from there are closed at once.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = MAX_HANDSHAKES / 4;

/// The handshakes of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    slots: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// Handshakes under way by host; a host without any is not in it.
#[derive(Debug, Default)]
struct Shares(Mutex<HashMap<String, usize>>);

/// One handshake's part of its host's share. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    host: String,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(MAX_HANDSHAKES)), shares: Arc::default() }
    }
}

impl Handshakes {
    /// Room for one more handshake from `address`; `None` if those under way from there are as many as may be.
    pub(super) fn share_of(&self, address: &str) -> Option<Share> {
        let host = host_of(address);
        let mut hosts = self.shares.lock();
        let taken = hosts.entry(host.clone()).or_default();
        if *taken == MAX_HANDSHAKES_PER_ADDRESS {
            return None;
        }
        *taken += 1;
        drop(hosts);
        Some(Share { shares: self.shares.clone(), host })
    }

    /// One of all slots, as soon as one is free. Dropping it gives it back. Cancel safe.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed, hence never an error.
        self.slots.clone().acquire_owned().await.ok()
    }
}

impl Shares {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut hosts = self.shares.lock();
        if let Some(taken) = hosts.get_mut(&self.host) {
            *taken -= 1;
            if *taken == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// Whose share a connection from `address` takes: ports are free to whoever has an address, and so is all of the /64 that an
/// IPv6 host is given. A transport that knows no IPs has names instead; where all have one name, they share.
fn host_of(address: &str) -> String {
    match address.parse::<SocketAddr>().map(|socket| socket.ip().to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Ok(IpAddr::V6(ip)) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).to_string(),
        Err(_) => address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_makes_no_other_host() {
        for (one, other) in [
            ("10.0.0.1:1", "10.0.0.1:2"),
            ("10.0.0.1:1", "[::ffff:10.0.0.1]:1"),
            ("[2001:db8::1]:1", "[2001:db8::ffff:1]:1"),
            ("[fe80::1%2]:1", "[fe80::1%2]:9"),
            ("client:1", "client:2"),
            ("memory", "memory"),
        ] {
            assert_eq!(host_of(one), host_of(other));
        }
        for (one, other) in [
            ("10.0.0.1:1", "10.0.0.2:1"),
            ("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1"),
            ("[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1"),
            ("client:1", "other:1"),
        ] {
            assert_ne!(host_of(one), host_of(other));
        }
    }

    #[test]
    fn a_share_is_bounded_and_comes_back() {
        let handshakes = Handshakes::default();
        let take = |count: usize| -> Vec<Option<Share>> { (0..count).map(|_| handshakes.share_of("a:1")).collect() };
        let mut held = take(MAX_HANDSHAKES_PER_ADDRESS);
        assert!(held.iter().all(Option::is_some));
        assert!(handshakes.share_of("a:2").is_none() && handshakes.share_of("b:1").is_some());
        held.pop();
        held.extend(take(1));
        assert!(held.iter().all(Option::is_some) && handshakes.share_of("a:1").is_none());
        drop(held);
        assert!(handshakes.shares.lock().is_empty(), "nothing is kept of hosts that are gone");
    }
}
