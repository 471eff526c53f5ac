//! A router that may open few descriptors, and a storm that takes them all.

use std::sync::atomic::{AtomicUsize, Ordering};

use hansard_proto::v1::{Role, Visibility};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::{
    SERVED, Target,
    harness::{Conn, ExtraRouter, Over, Person, Router, eventually},
    keep::keep,
    raw,
};

/// Descriptors that the router may have open.
const LIMIT: usize = 400;
/// Connections of the storm: all that the router can take, and some that wait in the kernel's backlog.
const STORM: usize = LIMIT + 100;

/// Who was there before the storm goes on talking; when it is over, others get in.
pub(crate) async fn storm(target: &Target<'_>) -> u64 {
    let small = ExtraRouter::start(target.cluster, &[]);
    let router = &small.router;
    limit(router.pid);
    let mut speaker = session(target, router, Over::Grpc, "dave").await;
    let mut listener = session(target, router, Over::WebSocketJson, "erin").await;
    let room = speaker.create_room("stormed", Visibility::Private).await.id;
    speaker.invite(&room, &listener.id, Role::Member).await;
    listener.follow(&room, 1).await;
    let addresses = [crate::host_of(&router.grpc), crate::host_of(&router.ws)];
    let turn = AtomicUsize::new(0);
    let open = || raw::dial_from_elsewhere(&addresses[turn.fetch_add(1, Ordering::Relaxed) % addresses.len()]);
    let beside = async {
        eventually("the storm has taken all descriptors", || descriptors(router.pid) >= LIMIT).await;
        let mut last = 0;
        for _ in 0..SERVED {
            last = speaker.say(&room, "words in a storm").await.seq;
        }
        // 1 is the room, which was there before the listener; 2 the invitation.
        listener.events(&room, 2, last).await;
        target.served().await;
    };
    let opened = keep(STORM, open, &[], beside).await;
    for over in [Over::Grpc, Over::WebSocketJson] {
        let mut newcomer = session(target, router, over, "dave").await;
        newcomer.say(&room, "after the storm").await;
    }
    opened
}

async fn session(target: &Target<'_>, router: &Router, over: Over, subject: &str) -> Person {
    Person::hello(Conn::open(over, router).await, target.cluster.token(subject), &[]).await.expect("a session")
}

/// From now on the process opens no more than [`LIMIT`]; what it may ask for stays as it is, which is what it got from us.
fn limit(pid: u32) {
    let limit = Rlimit { current: Some(LIMIT as u64), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Pid::from_raw(pid as i32), Resource::Nofile, limit).expect("a process of ours");
}

/// How many a process has open.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}
