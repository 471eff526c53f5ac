//! The keys of tokens, fetched from a server that may rotate them, be down, be slow, or talk nonsense.

use std::time::{Duration, Instant};

use crate::harness::{
    Answer, Authority, Conn, ExtraRouter, KeyServer, Over, PATIENCE, Person, Router, Signer, eventually, metric, shared,
};

/// Whether a hello with this token is answered by a welcome; if not, why.
async fn admitted(router: &Router, token: &str) -> Result<(), String> {
    let conn = Conn::open(Over::Grpc, router).await;
    Person::hello(conn, token.to_owned(), &[]).await.map(drop)
}

/// Tries until the router, which asks its key server at most every ten seconds, admits.
async fn admitted_at_last(router: &Router, token: &str) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(why) = admitted(router, token).await {
        assert!(why.contains("TOKEN_INVALID"), "{why}");
        assert!(Instant::now() < deadline, "the key is never learned");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn rotation(authority: Option<Authority>) {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Signer::new(dir.path(), "old"), Signer::new(dir.path(), "new"));
    let server = KeyServer::start("127.0.0.1:0", authority.as_ref(), Answer::keys(&[&old])).await;
    let ca = dir.path().join("ca.pem");
    let mut args = vec!["--jwks", server.url.as_str()];
    if let Some(authority) = &authority {
        std::fs::write(&ca, authority.pem()).unwrap();
        args.extend(["--jwks-ca", ca.to_str().unwrap()]);
    }
    let extra = ExtraRouter::start(shared(), &args);
    admitted(&extra.router, &old.token("carol")).await.expect("a key that was there at the start");
    let by_new = new.token("carol");
    let why = admitted(&extra.router, &by_new).await.unwrap_err();
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    server.answers(Answer::keys(&[&old, &new]));
    admitted_at_last(&extra.router, &by_new).await;
    admitted(&extra.router, &old.token("carol")).await.expect("the old key is still in the set");
    server.answers(Answer::keys(&[&new]));
    let newest = Signer::new(dir.path(), "newest").token("carol");
    let asked = server.asked();
    // A key that nobody knows makes the router ask, and a key that is not in the set any more is forgotten then.
    while server.asked() == asked {
        assert!(admitted(&extra.router, &newest).await.is_err());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(admitted(&extra.router, &old.token("carol")).await.is_err(), "a key that was taken back");
    admitted(&extra.router, &by_new).await.expect("the key in the set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_fetched_over_http_rotate_without_a_restart() {
    rotation(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_fetched_over_https_rotate_without_a_restart() {
    rotation(Some(Authority::new())).await;
}

/// A router starts while its key server is in trouble, learns its keys when that is over, and keeps them when it comes back.
async fn trouble(answer: impl Fn(&Signer) -> Answer) {
    let dir = tempfile::tempdir().unwrap();
    let (good, never) = (Signer::new(dir.path(), "good"), Signer::new(dir.path(), "never"));
    let server = KeyServer::start("127.0.0.1:0", None, answer(&never)).await;
    let extra = ExtraRouter::start(shared(), &["--jwks", &server.url]);
    let failures = || metric(&extra.router.metrics, "hansard_router_jwks_failures_total");
    assert!(failures() > 0, "the trouble is counted");
    let why = admitted(&extra.router, &good.token("carol")).await.unwrap_err();
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    server.answers(Answer::keys(&[&good]));
    admitted_at_last(&extra.router, &good.token("carol")).await;

    server.answers(answer(&never));
    let (asked, failed, by_never) = (server.asked(), failures(), never.token("carol"));
    let router = extra.router.clone();
    // Hellos with an unknown key, until one made the router ask and all of them were refused.
    let unknown = tokio::spawn(async move {
        while metric(&router.metrics, "hansard_router_jwks_failures_total") == failed {
            let why = admitted(&router, &by_never).await.unwrap_err();
            assert!(why.contains("TOKEN_INVALID"), "{why}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    eventually("the router asks again", || server.asked() > asked).await;
    let began = Instant::now();
    admitted(&extra.router, &good.token("carol")).await.expect("a key that is known");
    assert!(began.elapsed() < Duration::from_secs(5), "a slow key server holds up whose key is known");
    tokio::time::timeout(PATIENCE, unknown).await.expect("the trouble is counted again").unwrap();
    admitted(&extra.router, &good.token("carol")).await.expect("keys stay in use while they cannot be renewed");
}

/// All kinds beside each other: each waits for the router's next try.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn a_key_server_in_trouble_changes_nothing() {
    let padded = |signer: &Signer| match Answer::keys(&[signer]) {
        Answer::Ok(body) => Answer::Ok(body + &" ".repeat(256 << 10)),
        _ => unreachable!("keys are an answer"),
    };
    let kinds = [
        tokio::spawn(trouble(|_| Answer::Error)),
        tokio::spawn(trouble(|_| Answer::Silence)),
        tokio::spawn(trouble(|_| Answer::Ok("<html>Sign in</html>".to_owned()))),
        tokio::spawn(trouble(|_| Answer::keys(&[]))),
        tokio::spawn(trouble(padded)),
    ];
    for (kind, ended) in ["fails", "is silent", "talks nonsense", "has no keys", "has too much"].iter().zip(kinds) {
        ended.await.unwrap_or_else(|why| panic!("a key server that {kind}: {why}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_server_may_be_down_at_the_start_and_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::new(dir.path(), "key");
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let extra = ExtraRouter::start(shared(), &["--jwks", &format!("http://{address}/keys")]);
    assert!(admitted(&extra.router, &signer.token("carol")).await.is_err());
    let server = KeyServer::start(&address, None, Answer::keys(&[&signer])).await;
    admitted_at_last(&extra.router, &signer.token("carol")).await;
    drop(server);
    admitted(&extra.router, &signer.token("carol")).await.expect("known keys outlive their server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_server_that_cannot_prove_itself_gives_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::new(dir.path(), "key");
    let server = KeyServer::start("127.0.0.1:0", Some(&Authority::new()), Answer::keys(&[&signer])).await;
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, Authority::new().pem()).unwrap();
    let extra = ExtraRouter::start(shared(), &["--jwks", &server.url, "--jwks-ca", ca.to_str().unwrap()]);
    let why = admitted(&extra.router, &signer.token("carol")).await.unwrap_err();
    assert!(why.contains("TOKEN_INVALID"), "{why}");
    assert_eq!(server.asked(), 0, "nothing was asked of a stranger");
    assert!(metric(&extra.router.metrics, "hansard_router_jwks_failures_total") > 0);
}
