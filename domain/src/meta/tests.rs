use super::*;
use crate::ids::{ClusterId, PersonId, RequestId, RoomId, ShardId};
use crate::kind::Kind;
use crate::read::leaf;
use crate::refusal::Refusal;
use crate::rows::MemRows;
use crate::sealed::Salt;

const OPERATOR: PersonId = PersonId::from_bytes([0xee; 16]);
const ANN: PersonId = PersonId::from_bytes([0xa1; 16]);

struct World {
    meta: Meta,
    rows: MemRows,
    drawn: u8,
}

fn node(id: u64) -> NodeInfo {
    NodeInfo { id, name: format!("node{id}"), site: "boston".into(), address: format!("host{id}:1") }
}

fn found() -> MetaAction {
    let shards = (1..=3).map(|n| (ShardId::from_bytes([n; 16]), vec![1, 2, 3])).collect();
    let nodes = vec![node(1), node(2), node(3)];
    MetaAction::Found { cluster: ClusterId::from_bytes([8; 16]), nodes, meta: vec![1, 2, 3], shards }
}

fn enroll(person: PersonId, subject: &str) -> MetaAction {
    MetaAction::EnrollPerson { person, issuer: "https://id".into(), subject: subject.into() }
}

impl World {
    fn empty() -> Self {
        let rows = MemRows::default();
        let Ok(meta) = Meta::load(&rows);
        Self { meta, rows, drawn: 0 }
    }

    fn founded() -> Self {
        let mut world = Self::empty();
        assert!(matches!(world.run(found()), MetaOutcome::Committed { revision: 1, repeated: false, .. }));
        world
    }

    fn run_as(&mut self, request: u8, action: MetaAction) -> MetaOutcome {
        let stamp_us = 1_700_000_000_000_000 + i64::from(request);
        let request = RequestId::from_bytes([request; 16]);
        let command =
            MetaCommand { request, actor: OPERATOR, stamp_us, policy: 1, rule: 17, salt: Salt([9; 32]), action };
        let Ok(applied) = self.meta.apply(&self.rows, &[&MetaBatch { commands: vec![command] }]);
        self.rows.commit(&applied.changes);
        let Ok(again) = Meta::load(&self.rows);
        assert_eq!((again.view(), again.record_root()), (self.meta.view(), self.meta.record_root()));
        applied.outcomes[0]
    }

    fn run(&mut self, action: MetaAction) -> MetaOutcome {
        self.drawn += 1;
        self.run_as(self.drawn, action)
    }

    fn refusal(&mut self, action: MetaAction) -> Option<Refusal> {
        match self.run(action) {
            MetaOutcome::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

#[test]
fn nothing_before_the_founding_and_only_one_founding() {
    let mut world = World::empty();
    assert_eq!(world.refusal(MetaAction::RegisterNode(node(1))), Some(Refusal::NotFounded));
    assert_eq!(world.refusal(found()), None);
    assert_eq!(world.refusal(found()), Some(Refusal::AlreadyFounded));
    let view = world.meta.view();
    assert_eq!((view.slots.len(), view.slots[0], view.slots[4_095]), (4_096, 0, 2));
    let counts: Vec<_> = (0..3).map(|n| view.slots.iter().filter(|s| **s == n).count()).collect();
    assert!(counts.iter().all(|count| count.abs_diff(4_096 / 3) <= 1), "{counts:?}");
}

#[test]
fn a_person_has_one_id_for_good() {
    let mut world = World::founded();
    let first = world.run(enroll(ANN, "ann"));
    assert_eq!(first, MetaOutcome::Enrolled { person: ANN, epoch: 0, not_before_s: 0, repeated: false });
    let size = world.meta.record_size();
    let other = PersonId::from_bytes([0xa2; 16]);
    let again = MetaOutcome::Enrolled { person: ANN, epoch: 0, not_before_s: 0, repeated: true };
    assert_eq!(world.run(enroll(other, "ann")), again);
    assert_eq!(world.run_as(2, enroll(other, "ann")), again);
    assert_eq!(world.meta.record_size(), size);
    assert_eq!(world.refusal(enroll(ANN, "bob")), Some(Refusal::InvalidAction), "an id has one person");
    let Ok(Some(found)) = find_person(&world.rows, "https://id", "ann") else { panic!("enrolled") };
    assert_eq!((found.person, found.subject.as_str()), (ANN, "ann"));
    assert_eq!(find_person(&world.rows, "https://other", "ann"), Ok(None));
    let Ok(people) = list_people(&world.rows, None, 10);
    assert_eq!((people.items.len(), people.more), (1, false));
}

#[test]
fn revoking_a_person_raises_the_epoch() {
    let mut world = World::founded();
    assert_eq!(world.refusal(MetaAction::RevokePerson { person: ANN, not_before_s: 5 }), Some(Refusal::PersonUnknown));
    world.run(enroll(ANN, "ann"));
    assert_eq!(world.meta.view().epoch_of(ANN), PersonEpoch::default());
    for (epoch, not_before_s, expected) in [(1, 50, 50), (2, 40, 50)] {
        assert_eq!(world.refusal(MetaAction::RevokePerson { person: ANN, not_before_s }), None);
        assert_eq!(world.meta.view().epoch_of(ANN), PersonEpoch { epoch, not_before_s: expected });
    }
    let Ok(Some(view)) = person(&world.rows, ANN) else { panic!("enrolled") };
    assert_eq!(view.epoch, PersonEpoch { epoch: 2, not_before_s: 50 });
}

#[test]
fn revoked_tokens_are_forgotten_after_their_expiry() {
    let mut world = World::founded();
    let revoke = |token: &str, expires_s| MetaAction::RevokeToken { token: token.into(), expires_s };
    assert_eq!(world.refusal(revoke("old", 1_600_000_000)), None);
    assert!(world.meta.view().is_revoked("old"));
    assert_eq!(world.refusal(revoke("new", 1_800_000_000)), None);
    assert!(world.meta.view().is_revoked("new") && !world.meta.view().is_revoked("old"));
    assert_eq!(world.refusal(revoke("", 1)), Some(Refusal::InvalidContent));
}

#[test]
fn the_same_request_is_done_once_and_means_one_thing() {
    let mut world = World::founded();
    assert_eq!(world.refusal(MetaAction::RegisterNode(node(4))), None);
    let size = world.meta.record_size();
    assert!(matches!(
        world.run_as(2, MetaAction::RegisterNode(node(4))),
        MetaOutcome::Committed { revision: 2, repeated: true, .. }
    ));
    assert_eq!(world.meta.record_size(), size);
    assert_eq!(world.run_as(2, MetaAction::ActivateNode(4)), MetaOutcome::Refused(Refusal::RequestReused));
    let Ok(Some(entry)) = leaf(&world.rows, ShardId::META, size) else { panic!("refusals are entries") };
    assert_eq!(entry.header.kind, Kind::Refused);
}

#[test]
fn a_node_lives_and_goes() {
    let mut world = World::founded();
    assert_eq!(world.refusal(MetaAction::RegisterNode(node(4))), None);
    assert_eq!(world.meta.view().nodes[&4].state, NodeState::Standby);
    let namesake = NodeInfo { name: "node4".into(), ..node(5) };
    assert_eq!(world.refusal(MetaAction::RegisterNode(namesake)), Some(Refusal::NodeNameTaken));
    assert_eq!(world.refusal(MetaAction::ActivateNode(4)), None);
    assert_eq!(world.refusal(MetaAction::ActivateNode(4)), Some(Refusal::NodeState));
    assert_eq!(world.refusal(MetaAction::DecommissionNode(1)), None);
    assert_eq!(world.refusal(MetaAction::RetireNode(1)), Some(Refusal::NodeInUse));
    for n in 0..=3u8 {
        let set = MetaAction::SetPlacement { shard: ShardId::from_bytes([n; 16]), voters: vec![2, 3, 4], epoch: 2 };
        assert_eq!(world.refusal(set.clone()), None);
        assert_eq!(world.refusal(set), Some(Refusal::StaleEpoch));
    }
    assert_eq!(world.refusal(MetaAction::RetireNode(1)), None);
    assert_eq!(world.refusal(MetaAction::RegisterNode(node(1))), Some(Refusal::NodeRetired));
    assert_eq!(world.refusal(MetaAction::ActivateNode(9)), Some(Refusal::NodeUnknown));
    let set = MetaAction::SetPlacement { shard: ShardId::META, voters: vec![1], epoch: 3 };
    assert_eq!(world.refusal(set), Some(Refusal::NodeUnknown));
    assert_eq!(world.refusal(MetaAction::DecommissionNode(2)), None);
    assert_eq!(world.refusal(MetaAction::DecommissionNode(3)), None);
    assert_eq!(world.refusal(MetaAction::DecommissionNode(4)), Some(Refusal::LastNode));
}

#[test]
fn rooms_are_found_by_slot_unless_they_moved() {
    let mut world = World::founded();
    let room = RoomId::from_bytes([0; 16]);
    assert_eq!(world.meta.view().shard_of(room).map(|p| p.shard), Some(ShardId::from_bytes([1; 16])));
    assert_eq!(world.refusal(MetaAction::MoveRoom { room, shard: 2, epoch: 1 }), None);
    assert_eq!(world.meta.view().shard_of(room).map(|p| p.shard), Some(ShardId::from_bytes([3; 16])));
    assert_eq!(world.refusal(MetaAction::MoveRoom { room, shard: 1, epoch: 1 }), Some(Refusal::StaleEpoch));
    assert_eq!(world.refusal(MetaAction::MoveRoom { room, shard: 3, epoch: 2 }), Some(Refusal::ShardUnknown));
    assert!(world.meta.view().home_of(ANN).is_some());
}

#[test]
fn a_revoked_token_whose_id_is_sealed_is_not_read_as_another() {
    use crate::sealed::Sealed;
    let mut row = vec![1];
    row.extend_from_slice(&1_800_000_000_i64.to_be_bytes());
    let clear = row.len();
    Sealed::clear(bytes::Bytes::from_static(b"jti")).encode(&mut row);
    assert_eq!(rows::row(crate::rows::Table::Revoked, &row), Ok(row.clone()));
    row.truncate(clear);
    Sealed { scheme: 1, ..Sealed::clear(bytes::Bytes::from_static(b"cipher")) }.encode(&mut row);
    assert!(rows::row(crate::rows::Table::Revoked, &row).is_err());
}
