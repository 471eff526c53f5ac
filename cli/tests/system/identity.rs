//! Who may come in, and for how long.

use std::time::{Duration, Instant};

use hansard_proto::v1::{
    GetClusterStatusRequest, GetClusterStatusResponse, RevokeTokenRequest, RevokeTokenResponse, Visibility,
    connect_response::Frame as Down, revoke_token_request::Target,
};

use crate::{
    both,
    harness::{Conn, Over, Person, reason, request_id, shared},
};

both! {
    an_expired_token_ends_the_session,
    expired_forged_and_foreign_tokens_are_refused,
    a_revoked_token_is_cut_within_a_second_of_the_ack,
    a_revoked_person_is_cut_and_may_come_back_with_a_new_token,
    operators_calls_are_refused_to_others,
}

/// Why a hello with this token fails.
async fn refused(over: Over, token: String) -> String {
    let conn = Conn::open(over, &shared().ready.routers[0]).await;
    Person::hello(conn, token, &[]).await.err().expect("not admitted")
}

async fn an_expired_token_ends_the_session(over: Over) {
    let cluster = shared();
    let token = cluster.issue(&["--subject", "brief", "--ttl", "3s"]);
    let conn = Conn::open(over, &cluster.ready.routers[0]).await;
    let mut brief = Person::hello(conn, token, &[]).await.expect("valid for now");
    let status = brief
        .frame(|frame| match frame {
            Down::Reconnect(r) => r.status.clone(),
            _ => None,
        })
        .await;
    assert_eq!(reason(&status), "TOKEN_EXPIRED");
    brief.conn.ended().await;
}

async fn expired_forged_and_foreign_tokens_are_refused(over: Over) {
    let cluster = shared();
    let good = cluster.issue(&["--subject", "mallory"]);
    let why = refused(over, cluster.issue(&["--subject", "mallory", "--audience", "another"])).await;
    assert!(why.contains("TOKEN_WRONG_AUDIENCE"), "{why}");
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let other = cluster.issue(&["--subject", "alice"]);
    let others_claims = other.split('.').nth(1).unwrap();
    let why = refused(over, format!("{head}.{others_claims}.{signature}")).await;
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    // {"alg":"none"}
    let why = refused(over, format!("eyJhbGciOiJub25lIn0.{claims}.")).await;
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    let why = refused(over, "not a token".to_owned()).await;
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    let expired = cluster.issue(&["--subject", "mallory", "--ttl", "1s"]);
    // Leeway is part of the product; far more than it must pass. A clock can't be awaited as an event.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let why = refused(over, expired).await;
    assert!(why.contains("TOKEN_EXPIRED"), "{why}");
}

/// Revokes and returns when the ack came.
async fn revoke(target: Target) -> Instant {
    let mut alice = Person::connect(shared(), Over::Grpc, 1, "alice").await;
    let request = RevokeTokenRequest { request_id: request_id(), target: Some(target) };
    let _: RevokeTokenResponse = alice.call("ClusterService/RevokeToken", &request).await.expect("revoked");
    Instant::now()
}

async fn a_revoked_token_is_cut_within_a_second_of_the_ack(over: Over) {
    let cluster = shared();
    let subject = format!("revoked-{}", request_id());
    let token = cluster.issue(&["--subject", &subject]);
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let jti = claims["jti"].as_str().expect("a jti").to_owned();
    let conn = Conn::open(over, &cluster.ready.routers[0]).await;
    let mut victim = Person::hello(conn, token.clone(), &[]).await.expect("admitted");
    let watch = tokio::spawn(async move {
        victim.conn.ended().await;
        Instant::now()
    });
    let acked = revoke(Target::TokenId(jti)).await;
    let cut = watch.await.unwrap();
    assert!(cut.saturating_duration_since(acked) < Duration::from_secs(1), "cut {:?} after the ack", cut - acked);
    let why = refused(over, token).await;
    assert!(why.contains("TOKEN_REVOKED"), "{why}");
}

async fn a_revoked_person_is_cut_and_may_come_back_with_a_new_token(over: Over) {
    let cluster = shared();
    let subject = format!("leaver-{}", request_id());
    let token = cluster.issue(&["--subject", &subject]);
    let conn = Conn::open(over, &cluster.ready.routers[1]).await;
    let mut victim = Person::hello(conn, token.clone(), &[]).await.expect("admitted");
    let id = victim.id.clone();
    let watch = tokio::spawn(async move {
        victim.conn.ended().await;
        Instant::now()
    });
    let acked = revoke(Target::Person(id.clone())).await;
    let cut = watch.await.unwrap();
    assert!(cut.saturating_duration_since(acked) < Duration::from_secs(1), "cut {:?} after the ack", cut - acked);
    let why = refused(over, token).await;
    assert!(why.contains("TOKEN_REVOKED"), "{why}");
    // Tokens carry whole seconds: one issued in a later second than the revocation is good.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let conn = Conn::open(over, &cluster.ready.routers[1]).await;
    let mut back = Person::hello(conn, cluster.issue(&["--subject", &subject]), &[]).await.expect("admitted again");
    assert_eq!(back.id, id);
    let room = back.create_room("back", Visibility::Private).await.id;
    back.say(&room, "I am back").await;
}

async fn operators_calls_are_refused_to_others(over: Over) {
    let mut bob = Person::connect(shared(), over, 0, "bob").await;
    let request = RevokeTokenRequest { request_id: request_id(), target: Some(Target::TokenId("x".to_owned())) };
    let refused: Result<RevokeTokenResponse, _> = bob.call("ClusterService/RevokeToken", &request).await;
    assert_eq!(reason(&refused.unwrap_err()), "NOT_OPERATOR");
    let status: GetClusterStatusResponse =
        bob.call("ClusterService/GetClusterStatus", &GetClusterStatusRequest {}).await.expect("for everybody");
    assert_eq!((status.nodes.len(), status.shards.len()), (3, 13));
}

#[tokio::test]
async fn a_nodes_listener_takes_nobody_without_a_certificate_of_the_cluster() {
    let node = &shared().ready.nodes[0];
    let address = node.rpc.trim_start_matches("https://").trim_start_matches("http://");
    let plain = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await;
    let refused = match plain {
        Err(_) => true,
        Ok(channel) => {
            use hansard_proto::cluster::v1::{GreetRequest, peer_service_client::PeerServiceClient};
            PeerServiceClient::new(channel).greet(GreetRequest::default()).await.is_err()
        }
    };
    assert!(refused, "a plaintext peer was answered");
}

#[test]
fn a_long_command_goes_on_with_the_token_that_its_file_holds_by_then() {
    use std::io::{BufRead, BufReader};
    let cluster = shared();
    let subject = format!("patient-{}", request_id());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let put = |ttl: &str| {
        let fresh = dir.path().join("fresh");
        std::fs::write(&fresh, cluster.issue(&["--subject", &subject, "--ttl", ttl])).unwrap();
        std::fs::rename(fresh, &file).unwrap();
    };
    put("4s");
    let until = Instant::now() + Duration::from_secs(4);
    let by_file = |args: &[&str]| {
        let mut command = crate::harness::hansard();
        command.args(args).env("HANSARD_ROUTER", &cluster.ready.routers[0].grpc).arg("--token-file").arg(&file);
        command
    };
    let room = by_file(&["room", "create", "patience", "--output", "json"]).output().unwrap();
    let room: serde_json::Value = serde_json::from_slice(&room.stdout).unwrap();
    let room = room["id"].as_str().unwrap().to_owned();
    let tail = by_file(&["tail", &room, "--output", "json"]).stdout(std::process::Stdio::piped()).spawn();
    let mut tail = Killed(tail.unwrap());
    let mut lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().expect("the command goes on").unwrap()).unwrap() };
    assert_eq!(next()["kind"], "room_created");
    put("1h");
    let mut seq = 1;
    // The session of the first token has ended long before this ends.
    while Instant::now() < until + Duration::from_secs(3) {
        seq += 1;
        assert!(by_file(&["send", &room, "still here?"]).output().unwrap().status.success());
        assert_eq!(next()["seq"], seq.to_string(), "each once");
    }
    assert!(seq > 2);
}

/// A child that ends with its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_log_holds_a_token_or_a_text() {
    let cluster = crate::harness::Cluster::start(&["--nodes", "1", "--routers", "1"]);
    let marker = "a-text-that-no-log-may-hold";
    let room = cluster.run("alice", 0, &["room", "create", "quiet", "--output", "json"]);
    let room: serde_json::Value = serde_json::from_str(room.trim()).unwrap();
    cluster.run("alice", 0, &["send", room["id"].as_str().unwrap(), marker]);
    let token = cluster.token("alice");
    let mut files = 0;
    for entry in std::fs::read_dir(cluster.data().join("logs")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        files += 1;
        assert!(!text.contains(marker) && !text.contains(&token), "{}", entry.path().display());
    }
    assert!(files >= 2, "a log for each process");
}
