//! The network: a namespace for each process, and one that is the switch. In the switch a bridge for each site, and one
//! that joins the sites; whatever crosses a bridge passes an nftables filter, which drops what is cut.
//!
//! ```text
//!  node ──veth── site bridge ──veth (or TAPs, when delayed)── core bridge ──veth── the harness and its clients
//! ```

use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::PREFIX;
use super::shell::{attempt, feed, sh};

/// Sites, in the order of their numbers.
pub(crate) const SITES: [&str; 3] = ["boston", "denver", "bangalore"];

/// The harness's own link.
pub(crate) const HOST_LINK: &str = "hchaos-host";

/// Of the block that is reserved for measuring networks, so that nothing real has such addresses.
const NETWORK: &str = "198.18.77";
const HOST: &str = "254";

const RULES: &str = "
table bridge chaos {
    set cut { type ipv4_addr . ipv4_addr; flags timeout; }
    set lossy { type ipv4_addr . ipv4_addr; flags timeout; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ip saddr . ip daddr @cut counter name cut drop
        ip saddr . ip daddr @lossy numgen random mod 100 < 20 counter name lossy drop
    }
    counter cut { }
    counter lossy { }
}
";

/// What the filter does to some of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Filter {
    /// Drops all of it.
    Cut,
    /// Drops a fifth.
    Lossy,
}

impl Filter {
    fn set(self) -> &'static str {
        match self {
            Filter::Cut => "cut",
            Filter::Lossy => "lossy",
        }
    }
}

/// The namespace of the switch.
pub(crate) fn switch() -> String {
    format!("{PREFIX}-switch")
}

/// The namespace of a process.
pub(crate) fn namespace(name: &str) -> String {
    format!("{PREFIX}-{name}")
}

/// The address of the host with this last number.
pub(crate) fn address(last: usize) -> String {
    format!("{NETWORK}.{last}")
}

/// Makes the switch and the harness's own link.
pub(crate) fn make() -> Result<()> {
    let switch = switch();
    sh(&format!("ip netns add {switch}"))?;
    bridge("core")?;
    for site in 0..SITES.len() {
        bridge(&format!("site{site}"))?;
        sh(&format!("ip -n {switch} link add up{site} type veth peer name down{site}"))?;
        sh(&format!("ip -n {switch} link set up{site} master core up"))?;
        sh(&format!("ip -n {switch} link set down{site} master site{site} up"))?;
    }
    feed(&format!("ip netns exec {switch} nft -f -"), RULES).context("the kernel's nftables must know bridges")?;
    sh(&format!("ip link add {HOST_LINK} type veth peer name host netns {switch}"))?;
    sh(&format!("ip -n {switch} link set host master core up"))?;
    sh(&format!("ip addr add {NETWORK}.{HOST}/24 dev {HOST_LINK}"))?;
    sh(&format!("ip link set {HOST_LINK} up")).map(drop)
}

fn bridge(name: &str) -> Result<()> {
    let switch = switch();
    sh(&format!("ip -n {switch} link add {name} type bridge"))?;
    sh(&format!("ip -n {switch} link set {name} up")).map(drop)
}

/// Makes the namespace of a process, at a site.
pub(crate) fn attach(name: &str, site: usize, address: &str) -> Result<()> {
    let (switch, own) = (switch(), namespace(name));
    sh(&format!("ip netns add {own}"))?;
    sh(&format!("ip link add {name} netns {switch} type veth peer name eth0 netns {own}"))?;
    sh(&format!("ip -n {switch} link set {name} master site{site} up"))?;
    sh(&format!("ip -n {own} addr add {address}/24 dev eth0"))?;
    sh(&format!("ip -n {own} link set lo up"))?;
    sh(&format!("ip -n {own} link set eth0 up")).map(drop)
}

/// Does something from inside a namespace: what it connects there, nothing on the way can break or hold up.
pub(crate) fn inside<T: Send>(namespace: &str, what: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let namespace = File::open(format!("/run/netns/{namespace}"))?;
    thread::scope(|scope| {
        // In a thread of its own, which stays there.
        let there = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            what()
        });
        there.join().map_err(|_| anyhow!("it panicked"))?
    })
}

/// Filters what goes from the first to the second address of each pair, for so many seconds at most.
pub(crate) fn filter(filter: Filter, pairs: &[(String, String)], seconds: u64) -> Result<()> {
    let elements: Vec<String> = pairs.iter().map(|(from, to)| format!("{from} . {to} timeout {seconds}s")).collect();
    nft(&format!("add element bridge chaos {} {{ {} }}", filter.set(), elements.join(", "))).map(drop)
}

/// Takes pairs off a filter before their time.
pub(crate) fn unfilter(filter: Filter, pairs: &[(String, String)]) {
    for (from, to) in pairs {
        // Its time may be over.
        let _ = nft(&format!("delete element bridge chaos {} {{ {from} . {to} }}", filter.set()));
    }
}

/// How many packets a filter has dropped.
pub(crate) fn dropped(filter: Filter) -> Result<u64> {
    let said = nft(&format!("list counter bridge chaos {}", filter.set()))?;
    let mut words = said.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).and_then(|number| number.parse().ok()).with_context(|| format!("no count in {said:?}"))
}

/// Whatever was filtered, delayed or thinned is so no more.
pub(crate) fn heal() -> Result<()> {
    nft("flush set bridge chaos cut")?;
    nft("flush set bridge chaos lossy")?;
    for site in 0..SITES.len() {
        thicken(site);
        join(site)?;
    }
    Ok(())
}

fn nft(command: &str) -> Result<String> {
    feed(&format!("ip netns exec {} nft -f -", switch()), &format!("{command}\n"))
}

/// Bounds what goes in and out of a site.
pub(crate) fn thin(site: usize, kilobits: u64) -> Result<()> {
    let switch = switch();
    for end in ["up", "down"] {
        let shape = format!("root tbf rate {kilobits}kbit burst 8kb latency 300ms");
        sh(&format!("ip netns exec {switch} tc qdisc replace dev {end}{site} {shape}"))?;
    }
    Ok(())
}

/// How many packets had to wait at that bound.
pub(crate) fn held_up(site: usize) -> Result<u64> {
    let said = sh(&format!("ip netns exec {} tc -s qdisc show dev up{site} root", switch()))?;
    let mut words = said.split_whitespace().skip_while(|word| *word != "overlimits");
    words.nth(1).and_then(|number| number.parse().ok()).with_context(|| format!("no count in {said:?}"))
}

/// Lifts that bound.
pub(crate) fn thicken(site: usize) {
    for end in ["up", "down"] {
        attempt(&format!("ip netns exec {} tc qdisc del dev {end}{site} root", switch()));
    }
}

/// Puts a pair of TAP interfaces in the place of a site's link; their names.
pub(crate) fn part(site: usize) -> Result<[String; 2]> {
    let switch = switch();
    // First down, so that there never are two ways: frames would go round for ever.
    sh(&format!("ip -n {switch} link set up{site} down"))?;
    let names = [format!("far{site}"), format!("near{site}")];
    for (name, bridge) in names.iter().zip(["core".to_owned(), format!("site{site}")]) {
        sh(&format!("ip netns exec {switch} ip tuntap add mode tap name {name}"))?;
        sh(&format!("ip -n {switch} link set {name} master {bridge} up"))?;
    }
    Ok(names)
}

/// Takes them away again.
pub(crate) fn join(site: usize) -> Result<()> {
    let switch = switch();
    for name in [format!("far{site}"), format!("near{site}")] {
        attempt(&format!("ip -n {switch} link del {name}"));
    }
    sh(&format!("ip -n {switch} link set up{site} up")).map(drop)
}
