//! Meta's state as routers are told it: whole, or what is new in it.

use hansard_domain::meta::MetaView;
use hansard_proto::{
    cluster::v1::{Directory, Moved, NodeInfo, Placement, Revocation, ShardPlace},
    convert::bytes,
};

/// All that a router must know.
pub(super) fn all(view: &MetaView) -> Directory {
    Directory {
        revision: view.revision,
        placement: view.cluster.map(|_| placement(view)),
        revoked: revoked_since(&MetaView::default(), view),
        ..Directory::default()
    }
}

/// What is new, if anything is.
pub(super) fn since(before: Option<&MetaView>, now: &MetaView) -> Option<Directory> {
    let Some(before) = before else { return Some(all(now)) };
    if before.revision == now.revision {
        return None;
    }
    let moved = before.nodes != now.nodes
        || before.shards != now.shards
        || before.slots != now.slots
        || before.moved != now.moved
        || before.cluster != now.cluster;
    Some(Directory {
        revision: now.revision,
        placement: moved.then(|| placement(now)),
        revoked: revoked_since(before, now),
        ..Directory::default()
    })
}

fn placement(view: &MetaView) -> Placement {
    let node = |row: &hansard_domain::meta::Node| NodeInfo::from(crate::meta::info_of(row));
    let shard = |place: &hansard_domain::meta::ShardPlace| ShardPlace {
        shard: bytes(place.shard),
        epoch: place.epoch,
        voters: place.voters.clone(),
    };
    let moved =
        view.moved.iter().map(|(room, to)| Moved { room: bytes(*room), shard: to.shard.into(), epoch: to.epoch });
    let present = view.nodes.values().filter(|row| row.state != hansard_domain::meta::NodeState::Decommissioned);
    Placement {
        nodes: present.map(node).collect(),
        shards: view.shards.iter().map(shard).collect(),
        slots: view.slots.iter().map(|slot| u32::from(*slot)).collect(),
        moved: moved.collect(),
    }
}

fn revoked_since(before: &MetaView, now: &MetaView) -> Vec<Revocation> {
    let tokens = now.tokens.keys().filter(|token| !before.tokens.contains_key(*token));
    let tokens = tokens.map(|token| Revocation { token_id: token.clone(), ..Revocation::default() });
    let people = now.people.iter().filter(|(person, epoch)| before.people.get(person) != Some(epoch));
    let people = people.map(|(person, epoch)| Revocation {
        person: bytes(*person),
        not_before_s: epoch.not_before_s,
        epoch: epoch.epoch,
        ..Revocation::default()
    });
    tokens.chain(people).collect()
}

#[cfg(test)]
mod tests {
    use hansard_domain::{ClusterId, PersonId, meta::PersonEpoch};

    use super::*;

    #[test]
    fn tells_only_what_is_new() {
        let mut before = MetaView { cluster: Some(ClusterId::from_bytes([1; 16])), revision: 3, ..MetaView::default() };
        before.tokens.insert("old".into(), 9);
        let mut now = MetaView { revision: 4, ..before.clone() };
        now.tokens.insert("new".into(), 9);
        now.people.insert(PersonId::from_bytes([5; 16]), PersonEpoch { epoch: 1, not_before_s: 7 });
        assert_eq!(since(Some(&before), &before), None);
        let news = since(Some(&before), &now).unwrap();
        assert_eq!((news.revision, news.placement.is_none(), news.revoked.len()), (4, true, 2));
        assert_eq!(news.revoked[0].token_id, "new");
        assert_eq!(since(None, &now).unwrap().revoked.len(), 3);
    }
}
