//! A disk that fills up under one node of three.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use hansard_client::v1::{ListHistoryRequest, ListHistoryResponse, Visibility};
use hansard_proto::status;

use crate::{
    harness::{Cluster, Over, Person, eventually, metric, ready, reason, request_id},
    talk::{Talk, client},
};

/// A cluster whose third node has a disk of its own, of 1 GiB: a node takes no messages below 512 MiB of room. The disk is
/// mounted where only the cluster sees it, and ends with it. `None`: this machine lets nobody mount.
fn cluster_with_a_small_disk() -> Option<(Cluster, PathBuf)> {
    let apart = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(apart).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let script = r#"
        for word; do [ "$previous" != --data ] || data=$word; previous=$word; done
        mkdir -p "$data/node3" && mount -t tmpfs -o size=1g tmpfs "$data/node3" && exec "$0" "$@""#;
    let mut command = Command::new("unshare");
    command.args(apart).args(["sh", "-ec", script, env!("CARGO_BIN_EXE_hansard")]);
    let cluster = Cluster::start_by(command, &["--nodes", "3", "--routers", "1"]);
    // As its first node sees it, which stays alive.
    let seen = format!("/proc/{}/root{}", cluster.ready.nodes[0].pid, cluster.ready.nodes[2].data.display());
    Some((cluster, PathBuf::from(seen)))
}

/// Fills a disk until so many bytes are left, or it is full.
fn fill(disk: &Path, leave: u64) {
    let mut filler = OpenOptions::new().create(true).append(true).open(disk.join("filler")).unwrap();
    let block = vec![0; 256 << 10];
    while free(disk) > leave && filler.write_all(&block).is_ok() {}
}

fn free(disk: &Path) -> u64 {
    let stat = rustix::fs::statvfs(disk).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn make_room(disk: &Path) {
    std::fs::remove_file(disk.join("filler")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_is_named_and_loses_nothing_and_is_forgotten_when_there_is_room() {
    let Some((cluster, disk)) = cluster_with_a_small_disk() else {
        eprintln!("not tested: this machine lets nobody mount a disk (unshare --user --map-root-user --mount)");
        return;
    };
    let node = &cluster.ready.nodes[2];
    nearly_full(&cluster, &disk).await;

    // Now to the last byte, again and again, while people talk: the node ends rather than guess, and the others go on.
    let talk = Talk::start(&cluster, 6).await;
    let mut writers = Vec::new();
    for n in 0..8 {
        let writer = client(&cluster, "alice").await;
        let room = writer.create_room(&format!("much {n}"), "", Visibility::Private).await.expect("a room").id;
        writers.push(tokio::spawn(async move {
            let text = "x".repeat(16_000);
            while writer.send(&room, text.clone()).await.is_ok() {}
        }));
    }
    eventually("the node ends", || {
        fill(&disk, 0);
        !Path::new(&format!("/proc/{}", node.pid)).exists()
    })
    .await;
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    // What ends it may be its own check or RocksDB's; that the disk was filling up is said in any case.
    let log = std::fs::read_to_string(cluster.data().join("logs/node3.log")).unwrap();
    assert!(log.contains("the disk is nearly full"), "its log does not say why it ended");
    talk.goes_on(20).await;
    make_room(&disk);
    cluster.restart_child("node3");
    eventually("the node is back", || ready(&node.metrics)).await;
    eventually("it takes messages", || metric(&node.metrics, "hansard_node_accepting") == 1).await;
    talk.goes_on(20).await;
    talk.finish().await;
}

/// With little room left, what the node leads is refused by name at most until the others lead it, which they do while there is
/// still no room; then the same requests are done. Reads go on.
async fn nearly_full(cluster: &Cluster, disk: &Path) {
    const ROOMS: usize = 36;
    let metrics = &cluster.ready.nodes[2].metrics;
    eventually("the node leads its share", || metric(metrics, "hansard_node_leaders") >= 3).await;
    let mut alice = Person::connect(cluster, Over::Grpc, 0, "alice").await;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(alice.create_room(&format!("room {n}"), Visibility::Private).await.id);
    }
    fill(disk, 400 << 20);
    eventually("the node takes no messages", || metric(metrics, "hansard_node_accepting") == 0).await;
    let mut refused = Vec::new();
    for room in &rooms {
        let id = request_id();
        if let Err(refusal) = alice.send_with(&id, room, "is there room?").await {
            let status = refusal.status.expect("a status");
            assert_eq!(reason(&status), "STORAGE_FULL");
            assert!(status::retry_after(&status).is_some(), "{status:?}");
            refused.push((id, room));
        }
    }
    let room = &rooms[0];
    let list = ListHistoryRequest { room: room.clone(), ..ListHistoryRequest::default() };
    let page: ListHistoryResponse = alice.call("MessageService/ListHistory", &list).await.expect("reads go on");
    let done = 1 + u64::from(refused.iter().all(|(_, refused)| *refused != room));
    assert_eq!(page.head_seq, done, "what is refused is not done");

    let (waiting, room) = (client(cluster, "alice").await, room.clone());
    let waiting = tokio::spawn(async move { waiting.send(&room, "as soon as somebody takes it").await });
    eventually("the others lead all", || metric(metrics, "hansard_node_leaders") == 0).await;
    waiting.await.unwrap().expect("the SDK tries until somebody takes it");
    for (id, room) in refused {
        let acked = alice.send_with(&id, room, "is there room?").await.expect("the same request is done now");
        assert!((2..=3).contains(&acked.seq));
    }
    assert_eq!(metric(metrics, "hansard_node_accepting"), 0, "there is no room yet");
    make_room(disk);
    eventually("the node takes messages", || metric(metrics, "hansard_node_accepting") == 1).await;
}
