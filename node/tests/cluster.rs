//! Nodes over real TCP on loopback, in one process: founding, proposals, feeds, revocations, joining and leaving.

#[path = "cluster/harness.rs"]
mod harness;
#[path = "cluster/link.rs"]
mod link;
#[path = "cluster/router.rs"]
mod router;

#[path = "cluster/feeds.rs"]
mod feeds;
#[path = "cluster/founding.rs"]
mod founding;
#[path = "cluster/people.rs"]
mod people;
#[path = "cluster/placement.rs"]
mod placement;
#[path = "cluster/roles.rs"]
mod roles;
#[path = "cluster/status.rs"]
mod status;
