//! Tokens that were good once.

use data_encoding::BASE64URL_NOPAD;
use hansard_proto::v1::{RevokeTokenRequest, RevokeTokenResponse, revoke_token_request::Target as Revoked};

use crate::{
    Target,
    harness::{Conn, Over, Person, request_id},
};

/// How often each is presented over each protocol.
const REPLAYS: u64 = 25;

/// A token that was revoked and one that has expired, again and again.
pub(crate) async fn replayed(target: &Target<'_>) -> u64 {
    let revoked = target.cluster.issue(&["--subject", &format!("revoked-{}", request_id())]);
    let mut cut = session(target, Over::Grpc, &revoked).await.expect("not revoked yet");
    revoke(target, &revoked).await;
    let expired = target.cluster.issue(&["--subject", "brief", "--ttl", "3s"]);
    let mut brief = session(target, Over::Grpc, &expired).await.expect("not expired yet");
    // By then the router knows.
    cut.conn.ended().await;
    brief.conn.ended().await;
    for _ in 0..REPLAYS {
        for over in [Over::Grpc, Over::WebSocketJson] {
            for (token, reason) in [(&revoked, "TOKEN_REVOKED"), (&expired, "TOKEN_EXPIRED")] {
                let why = session(target, over, token).await.err().expect("not admitted");
                assert!(why.contains(reason), "{why} instead of {reason}");
            }
        }
    }
    4 * REPLAYS
}

async fn session(target: &Target<'_>, over: Over, token: &str) -> Result<Person, String> {
    let conn = Conn::open(over, &target.cluster.ready.routers[0]).await;
    Person::hello(conn, token.to_owned(), &[]).await
}

/// Revokes this token alone.
async fn revoke(target: &Target<'_>, token: &str) {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).expect("claims").as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let id = claims["jti"].as_str().expect("an id").to_owned();
    let mut alice = Person::connect(target.cluster, Over::Grpc, 0, "alice").await;
    let request = RevokeTokenRequest { request_id: request_id(), target: Some(Revoked::TokenId(id)) };
    let _: RevokeTokenResponse = alice.call("ClusterService/RevokeToken", &request).await.expect("revoked");
}
