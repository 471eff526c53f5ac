//! TLS towards clients, and plaintext only where nobody can listen, unless it is asked for by name.

use std::{process::Command, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use hansard_proto::{
    json,
    v1::{ConnectRequest, ConnectResponse, Hello, connect_request::Frame as Up, connect_response::Frame as Down},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::harness::{ExtraRouter, TlsRouter, hansard, shared};

/// A client command as alice, to a router with a certificate.
fn command(router: &TlsRouter, args: &[&str]) -> Command {
    let mut command = hansard();
    command.args(args).env("HANSARD_ROUTER", &router.extra.router.grpc).env("HANSARD_TOKEN", shared().token("alice"));
    command
}

#[test]
fn commands_talk_to_a_router_over_tls() {
    let router = TlsRouter::start(shared());
    let run = |args: &[&str]| {
        let output = command(&router, args).arg("--ca").arg(router.ca()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let room = run(&["room", "create", "sealed", "--output", "json"]);
    let room: serde_json::Value = serde_json::from_str(room.trim()).unwrap();
    let room = room["id"].as_str().unwrap();
    run(&["send", room, "over an encrypted line"]);
    assert!(run(&["tail", room, "--count", "2"]).contains("over an encrypted line"));
    let output = command(&router, &["send", room, "trusting whom?"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("CA certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_talks_to_a_router_over_tls() {
    let router = TlsRouter::start(shared());
    let url = &router.extra.router.ws;
    let address = url.trim_start_matches("wss://").split('/').next().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(router.authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "hansard.v1.json".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, tls).await.unwrap();
    let hello = Hello { token: shared().token("alice"), ..Hello::default() };
    let hello = json::encode(&ConnectRequest { frame: Some(Up::Hello(hello)) }).unwrap();
    socket.send(Message::text(hello)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let answer: ConnectResponse = json::decode(&answer).unwrap();
    assert!(matches!(answer.frame, Some(Down::Welcome(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_with_a_certificate_answers_nobody_in_plaintext() {
    let router = TlsRouter::start(shared());
    let plain = router.extra.router.grpc.replace("https://", "http://");
    let token = shared().token("alice");
    let mut config = hansard_client::Config::new([plain], token);
    config.connect_deadline = std::time::Duration::from_secs(2);
    assert!(hansard_client::Client::connect(config).await.is_err());
    let plain = router.extra.router.ws.replace("wss://", "ws://");
    assert!(tokio_tungstenite::connect_async(plain).await.is_err());
}

#[test]
fn plaintext_beyond_loopback_is_refused_unless_it_is_asked_for_by_name() {
    let cluster = shared();
    for (args, setting) in [
        (["--grpc-listen", "0.0.0.0:0"], "grpc_listen"),
        (["--ws-listen", "[::]:0"], "ws_listen"),
        (["--jwks", "http://keys.example/jwks"], "jwks"),
    ] {
        let output = ExtraRouter::command(cluster, &args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(setting) && said.contains("allow_plaintext"), "{said}");
    }
    let asked_for = ExtraRouter::start(cluster, &["--grpc-listen", "0.0.0.0:0", "--allow-plaintext"]);
    let url = asked_for.router.grpc.replace("0.0.0.0", "127.0.0.1");
    let output = cluster.command("alice", 0, &["room", "list"]).env("HANSARD_ROUTER", url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
