//! The cluster's status: confirmed by a quorum of meta, or what one node knows.

use hansard_proto::cluster::v1::{RevokeTokenId, Status, operate::Command};

use crate::{
    harness::Cluster,
    router::{PATIENCE, Router},
};

/// Who confirms, and what.
async fn confirmed(cluster: &Cluster, router: &Router) -> (usize, Status) {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        for at in 0..cluster.nodes.len() {
            if let Some(Ok(status)) = router.read_status(&cluster.address(at), true).await {
                return (at, status);
            }
        }
        assert!(tokio::time::Instant::now() < until, "nobody confirms the status in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_confirmed_status_has_all_that_was_acknowledged_and_without_a_quorum_there_is_none() {
    let mut cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let (_, mut last) = confirmed(&cluster, &router).await;
    for n in 0..5 {
        let token = RevokeTokenId { token_id: format!("token {n}") };
        router.operate(Command::RevokeToken(token)).await.expect("revoked");
        let (_, status) = confirmed(&cluster, &router).await;
        assert!(status.revision > last.revision, "{} is before {}", status.revision, last.revision);
        last = status;
    }
    let (leader, _) = confirmed(&cluster, &router).await;
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    for other in others {
        let known = router.status(&cluster.address(other)).await.expect("what it knows");
        assert!(known.revision <= last.revision && known.nodes.len() == 3);
    }
    for other in others {
        cluster.kill(other).await;
    }
    let address = cluster.address(leader);
    assert!(router.read_status(&address, true).await.expect("it is linked").is_err(), "who leads without a quorum?");
    assert!(router.status(&address).await.expect("what it knows").revision >= last.revision);
    cluster.shutdown().await;
}
