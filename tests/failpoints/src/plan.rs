//! Which points are fired, what they do, and how a process is brought to pass them.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use hansard_failpoint::{Kind, Point};

use crate::process::Order;

/// How a process is brought to pass a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scene {
    /// Three empty disks become a cluster.
    Founding,
    /// A node joins.
    Joining,
    /// People talk.
    Talk,
    /// People talk, and the node leads one of their rooms.
    Lead,
    /// People are enrolled, and the node leads meta.
    Enroll,
    /// Leaderships are handed over.
    HandOver,
    /// Somebody joins a room, through the router.
    Router,
    /// A node starts whose process was killed.
    Start,
    /// It starts when the one before was killed as it began a segment.
    Rotated,
    /// It starts when the one before was killed while it gave segments up.
    Leftover,
    /// It starts when the disk is nearly full.
    Full,
    /// A node comes back to others that have purged what it lacks.
    Behind,
    /// It starts with a whole snapshot that is not installed.
    Resumed,
    /// Such a node is sent another snapshot than it has.
    Replaced,
    /// A node that lacks much is sent it.
    Ahead,
    /// A leader comes back whose last entries nobody else has.
    Overruled,
    /// A replica moves away.
    Leaving,
}

/// How a process is brought to pass a point.
pub(crate) fn scene(point: Point) -> Scene {
    use Point::*;
    match point {
        BallastMake | SegmentCreate | WitnessCreate | IdentityWrite | IdentityWritten | ClusterBound | ShardCreated
        | FoundingAsked | FoundingBound | Founded | ShardBegan => Scene::Founding,
        JoinBound => Scene::Joining,
        LogWrite | LogSync | LogSynced | WitnessWrite | WitnessSync | MarkWrite | MarkSync | SegmentRotated
        | SegmentReleased | Relocate | SegmentHeader | SegmentNamed | SegmentRetire | StateWrite | StateCommitted
        | StateFlush | StateFlushed | SnapshotBuilt | LogPurged | AppendFlushed | AppendAnswer | Applied => Scene::Talk,
        RoomAnswer | LinkReply => Scene::Lead,
        MetaAnswer => Scene::Enroll,
        VoteSaved | VoteAnswer => Scene::HandOver,
        RouterAck => Scene::Router,
        TailNamed | TailSync | TailMarkSync | TailWitness | TailWitnessSync | WitnessNamed => Scene::Start,
        TailFollows => Scene::Rotated,
        LeftoverRemove => Scene::Leftover,
        BallastFree => Scene::Full,
        SnapshotChunk | SnapshotReceived | SnapshotSwitch | SnapshotSwitched | SnapshotReset | SnapshotInstalled => {
            Scene::Behind
        }
        SnapshotResume => Scene::Resumed,
        SnapshotDiscard => Scene::Replaced,
        SnapshotSend => Scene::Ahead,
        LogTruncated => Scene::Overruled,
        ShardRemoving | ShardRemoved => Scene::Leaving,
    }
}

/// What can be done at a point.
fn actions(point: Point) -> &'static [&'static str] {
    match point.kind() {
        Kind::Moment => &["crash"],
        Kind::Step | Kind::Reserve => &["crash", "error"],
        Kind::Ack => &["crash", "delay"],
    }
}

/// All orders there are; or those of the points and scenes that `only` names.
///
/// # Errors
/// There is no such point, and no such scene.
pub(crate) fn orders(only: &[String]) -> Result<Vec<Order>> {
    for name in only {
        let known = Point::ALL.iter().any(|point| is_named(*point, name));
        ensure!(known, "there is no point or scene called {name:?}");
    }
    let wanted = |point: &&Point| only.is_empty() || only.iter().any(|name| is_named(**point, name));
    let of = |point: Point| actions(point).iter().map(move |action| Order { point, action, after: 0 });
    Ok(Point::ALL.iter().filter(wanted).copied().flat_map(of).collect())
}

fn is_named(point: Point, name: &str) -> bool {
    point.name() == name || Scene::from_str(name, false).is_ok_and(|scene| scene == self::scene(point))
}

/// Those of one scene, in the order of the points.
pub(crate) fn of(orders: &[Order], scene: Scene) -> Vec<Order> {
    orders.iter().filter(|order| self::scene(order.point) == scene).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_point_is_crashed_and_all_but_moments_something_else_too() {
        let orders = orders(&[]).unwrap();
        for point in Point::ALL {
            let count = orders.iter().filter(|order| order.point == *point).count();
            assert_eq!(count, if point.kind() == Kind::Moment { 1 } else { 2 }, "{}", point.name());
        }
        let only = |name: &str| super::orders(&[name.to_owned()]);
        assert_eq!(only("log-sync").unwrap().len(), 2);
        assert!(only("start").unwrap().iter().all(|order| scene(order.point) == Scene::Start));
        assert!(only("log-think").is_err());
    }
}
