//! What strangers, broken clients and people with bad intent do to a router and to nodes, while honest people talk.
//!
//! Each pattern goes on until the honest have been served so many times beside it, and as long as `ABUSE_SECONDS` says (0 by
//! default: a sample); `ABUSE_ONLY` names a part of those that are wanted. Nothing may crash, memory is bounded, and each honest message arrives once, in order.
//! `cargo test --release -p hansard-cli --test abuse -- --nocapture` prints the table.

#![allow(clippy::result_large_err)]

mod client_tls;
mod descriptors;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../system/harness/mod.rs"]
mod harness;
mod honest;
mod http2;
mod keep;
mod people;
mod raw;
mod tls;
mod tokens;
mod watch;
mod websocket;

use std::{future::Future, path::PathBuf, pin::Pin, time::Duration};

use harness::{Cluster, PATIENCE, TlsRouter};
use honest::Honest;
use watch::Watch;

/// Acks that the honest must get beside each pattern.
const SERVED: usize = 25;
/// How much a process may grow over the whole run: caches that fill, queues at their bounds, and what the allocator keeps of
/// them; docs/performance.md has what was measured.
const GROWTH: u64 = 64 << 20;
/// Beyond this an honest ack is a failure, however slow the machine.
const WORST: Duration = Duration::from_secs(5);

/// What patterns are aimed at.
struct Target<'a> {
    cluster: &'a Cluster,
    /// Who must be served beside them.
    honest: &'a Honest,
    /// `host:port` of the router's gRPC, of its WebSocket, of its metrics, and of a node's own port.
    grpc: String,
    ws: String,
    metrics: String,
    node: String,
    /// Another router, whose clients come over TLS.
    tls: Listeners,
    /// A private room that is nobody else's business.
    room: String,
}

/// `host:port` of a router's gRPC and of its WebSocket, and the authority behind its certificate, PEM.
struct Listeners {
    grpc: String,
    ws: String,
    ca: PathBuf,
}

type Attempts<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;

macro_rules! patterns {
    ($($name:literal => $run:path),* $(,)?) => {
        [$(($name, (|target| Box::pin($run(target))) as for<'a> fn(&'a Target<'a>) -> Attempts<'a>)),*]
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abuse_harms_nobody_and_costs_bounded_memory() {
    let patterns = patterns! {
        "rapid reset" => http2::rapid_reset,
        "CONTINUATION flood" => http2::continuation_flood,
        "SETTINGS flood" => http2::settings_flood,
        "PING flood, answers unread" => http2::ping_flood,
        "header bomb" => http2::header_bomb,
        "window overflow" => http2::window_overflow,
        "streams without end" => http2::streams_without_end,
        "oversized gRPC message" => http2::oversized_message,
        "truncated gRPC messages" => http2::truncated_messages,
        "garbage on every port" => raw::garbage,
        "connection storm" => raw::connection_storm,
        "connection storm, few descriptors" => descriptors::storm,
        "slow heads" => raw::slow_heads,
        "slow bodies" => raw::slow_bodies,
        "WebSocket: broken frames" => websocket::broken_frames,
        "WebSocket: message without end" => websocket::message_without_end,
        "WebSocket: nobody says hello" => websocket::silent_sessions,
        "WebSocket: PING flood" => websocket::ping_flood,
        "forged tokens" => people::forged_tokens,
        "revoked and expired tokens" => tokens::replayed,
        "bodies without end, a good token" => people::bodies_without_end,
        "a stranger in a private room" => people::stranger_in_a_room,
        "a subscriber that never reads" => people::never_reading_subscriber,
        "TLS: slow handshakes" => tls::slow_handshakes,
        "TLS: plaintext" => tls::plaintext,
        "TLS: no certificate, wrong authority" => tls::wrong_certificates,
        "TLS: downgrade" => tls::downgrade,
        "clients' TLS: slow handshakes" => client_tls::slow_handshakes,
        "clients' TLS: none, and old versions" => client_tls::downgrade,
        "clients' TLS: wrong names, garbage" => client_tls::wrong_words,
    };
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "1"]);
    let honest = Honest::start(&cluster).await;
    let tls = TlsRouter::start(&cluster);
    let target = Target::new(&cluster, &honest, &tls);
    honest.served(8 * SERVED).await;
    let baseline = honest.window();
    let mut watch = Watch::new(&cluster, &tls);
    let seconds = std::env::var("ABUSE_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    println!(
        "{:38} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}  process that grew most",
        "pattern", "attempts", "p99 ms", "without", "ratio", "beside it", "grew KiB"
    );
    let base = ms(baseline.p99);
    println!("{:38} {:>9} {base:>9.1} {base:>9.1} {:>7.1} {:>9} {:>9}", "(none)", "-", 1.0, baseline.acks, "-");
    let only = std::env::var("ABUSE_ONLY").unwrap_or_default();
    for (name, run) in patterns.into_iter().filter(|(name, _)| name.contains(&only)) {
        let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
        let mut attempts = 0;
        honest.window();
        while honest.acks() < SERVED || tokio::time::Instant::now() < until {
            let one = tokio::time::timeout(PATIENCE, run(&target)).await;
            attempts += one.unwrap_or_else(|_| panic!("{name} holds its own attacker for a minute"));
            watch.alive(name);
        }
        let beside = honest.window();
        let (p99, acks) = (ms(beside.p99), beside.acks);
        let (process, grown) = watch.grew_most();
        println!(
            "{name:38} {attempts:>9} {p99:>9.1} {base:>9.1} {:>7.1} {acks:>9} {:>9}  {process}",
            p99 / base,
            grown >> 10
        );
        assert!(attempts > 0, "{name} was tried");
        assert!(beside.worst < WORST, "{name}: an honest message waited {:?}", beside.worst);
    }
    let sent = honest.stop().await;
    println!("{sent} honest messages, each heard once and in order");
    for (process, grown) in watch.growth() {
        println!("{process} grew by {} KiB", grown >> 10);
        assert!(grown <= GROWTH, "{process} grew by {grown} bytes");
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl<'a> Target<'a> {
    fn new(cluster: &'a Cluster, honest: &'a Honest, tls: &TlsRouter) -> Target<'a> {
        let sealed = &tls.extra.router;
        let router = &cluster.ready.routers[0];
        Target {
            cluster,
            honest,
            grpc: host_of(&router.grpc),
            ws: host_of(&router.ws),
            metrics: host_of(&router.metrics),
            node: host_of(&cluster.ready.nodes[0].rpc),
            tls: Listeners { grpc: host_of(&sealed.grpc), ws: host_of(&sealed.ws), ca: tls.ca() },
            room: honest.room(),
        }
    }

    /// Waits until the honest have been served beside what is going on now.
    async fn served(&self) {
        self.honest.served_again(SERVED).await;
    }
}

/// `host:port` of a URL, or of what is that already.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}
