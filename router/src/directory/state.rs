//! What the nodes have told, merged. Sans-IO.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hansard_domain::{ClusterId, NodeId, PersonId, RoomId, ShardId};
use hansard_proto::cluster::v1 as edge;
use tokio::time::Instant;

use crate::limits::{DIRECTORY_DEAD, DIRECTORY_STALE};

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// The shard.
    pub(crate) shard: ShardId,
    /// Its placement's epoch as known here; 0 for meta.
    pub(crate) epoch: u64,
    /// Its leader, if one is known.
    pub(crate) leader: Option<NodeId>,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A room: the shard of its slot, unless it moved.
    Room(RoomId),
    /// A person's home shard.
    Home(PersonId),
    /// A shard by its ordinal.
    Ordinal(usize),
    /// The meta group.
    Meta,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Shards that have another leader now.
    pub(crate) leaders: Vec<(ShardId, NodeId)>,
    /// Tokens that are revoked now.
    pub(crate) tokens: Vec<String>,
    /// People of whom older tokens are revoked now: tokens issued before this second.
    pub(crate) people: Vec<(PersonId, i64)>,
    /// The placement is new.
    pub(crate) placement: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Revoked {
    not_before_s: i64,
    epoch: u64,
}

/// The merged state.
#[derive(Debug, Default)]
pub(crate) struct State {
    cluster: Option<ClusterId>,
    revision: u64,
    placement: Option<edge::Placement>,
    moved: HashMap<RoomId, usize>,
    leaders: HashMap<ShardId, (u64, NodeId)>,
    tokens: HashSet<String>,
    people: HashMap<PersonId, Revoked>,
    fresh: Option<Instant>,
    routers: Vec<String>,
}

impl State {
    /// A node said which cluster it is of. False: another one than the others.
    pub(crate) fn joined(&mut self, cluster: ClusterId) -> bool {
        *self.cluster.get_or_insert(cluster) == cluster
    }

    /// The cluster, once known.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Merges a message. `first`: the first one of its link, whose revocations are all that still matter.
    pub(crate) fn merge(&mut self, message: edge::Directory, first: bool, now: Instant) -> Changes {
        let mut changes = Changes::default();
        let newest = message.revision >= self.revision;
        if message.fresh && newest {
            self.fresh = Some(now);
        }
        if first && newest && message.revision > 0 {
            // All that still matters: what is not in it has expired.
            let told: HashSet<&str> = message.revoked.iter().map(|revoked| revoked.token_id.as_str()).collect();
            self.tokens.retain(|token| told.contains(token.as_str()));
        }
        for revocation in message.revoked {
            self.revoke(revocation, &mut changes);
        }
        for leader in message.leaders {
            self.leads(&leader, &mut changes);
        }
        if let Some(placement) = message.placement.filter(|_| newest) {
            changes.placement = self.placement.as_ref() != Some(&placement);
            self.place(placement);
        }
        if !message.routers.is_empty() {
            self.routers = message.routers;
        }
        self.revision = self.revision.max(message.revision);
        changes
    }

    /// Where a call goes; `None` until a placement is known, or if there is no such shard.
    pub(crate) fn route(&self, target: Target) -> Option<Route> {
        let ordinal = match target {
            Target::Meta => {
                return Some(Route { shard: ShardId::META, epoch: 0, leader: self.leader(ShardId::META) });
            }
            Target::Room(room) => match self.moved.get(&room) {
                Some(ordinal) => *ordinal,
                None => self.slot(room.slot())?,
            },
            Target::Home(person) => self.slot(person.slot())?,
            Target::Ordinal(ordinal) => ordinal,
        };
        let place = self.placement.as_ref()?.shards.get(ordinal)?;
        let shard = ShardId::from_slice(&place.shard).ok()?;
        Some(Route { shard, epoch: place.epoch, leader: self.leader(shard) })
    }

    /// Voters of a target's shard that are at a site; none until a placement is known, nor for meta.
    pub(crate) fn voters_at(&self, target: Target, site: &str) -> Vec<NodeId> {
        let (Some(route), Some(placement)) = (self.route(target), &self.placement) else { return vec![] };
        let place = placement.shards.iter().find(|place| *place.shard == *route.shard.as_bytes());
        let here = |id: &u64| placement.nodes.iter().any(|node| node.id == *id && node.site == site);
        place.map_or_else(Vec::new, |place| place.voters.iter().copied().filter(here).collect())
    }

    /// How many shards there are, without meta.
    pub(crate) fn shards(&self) -> usize {
        self.placement.as_ref().map_or(0, |placement| placement.shards.len())
    }

    /// The nodes of the placement.
    pub(crate) fn nodes(&self) -> &[edge::NodeInfo] {
        self.placement.as_ref().map_or(&[], |placement| &placement.nodes)
    }

    /// Routers that are linked to the cluster.
    pub(crate) fn routers(&self) -> &[String] {
        &self.routers
    }

    /// How old the newest sure news of revocations is; `None` if there never was any.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.fresh.map(|fresh| now.saturating_duration_since(fresh))
    }

    /// Whether people may be admitted.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        self.placement.is_some() && self.age(now).is_some_and(|age| age < DIRECTORY_STALE)
    }

    /// Whether sessions must be closed.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        self.age(now).is_some_and(|age| age >= DIRECTORY_DEAD)
    }

    /// Whether a token is revoked by its id.
    pub(crate) fn token_revoked(&self, token_id: &str) -> bool {
        self.tokens.contains(token_id)
    }

    /// Tokens of this person issued before this second are revoked (0: none), and the person's epoch as far as told.
    pub(crate) fn person_revoked(&self, person: PersonId) -> (i64, u64) {
        self.people.get(&person).map_or((0, 0), |revoked| (revoked.not_before_s, revoked.epoch))
    }

    fn leader(&self, shard: ShardId) -> Option<NodeId> {
        self.leaders.get(&shard).map(|(_, node)| *node).filter(|node| *node != 0)
    }

    fn slot(&self, slot: u16) -> Option<usize> {
        let ordinal = *self.placement.as_ref()?.slots.get(usize::from(slot))?;
        usize::try_from(ordinal).ok()
    }

    fn leads(&mut self, leader: &edge::Leader, changes: &mut Changes) {
        let Ok(shard) = ShardId::from_slice(&leader.shard) else { return };
        let known = self.leaders.entry(shard).or_insert((0, 0));
        // Within a term there is one leader; who does not know it says 0.
        let news = leader.term > known.0 || (leader.term == known.0 && known.1 == 0);
        if news && *known != (leader.term, leader.node) {
            let other = leader.node != known.1 && leader.node != 0;
            *known = (leader.term, leader.node);
            if other {
                changes.leaders.push((shard, leader.node));
            }
        }
    }

    fn place(&mut self, placement: edge::Placement) {
        let moved = placement
            .moved
            .iter()
            .filter_map(|moved| Some((RoomId::from_slice(&moved.room).ok()?, usize::try_from(moved.shard).ok()?)));
        self.moved = moved.collect();
        self.placement = Some(placement);
    }

    fn revoke(&mut self, revocation: edge::Revocation, changes: &mut Changes) {
        if !revocation.token_id.is_empty() && self.tokens.insert(revocation.token_id.clone()) {
            changes.tokens.push(revocation.token_id);
        }
        if let Ok(person) = PersonId::from_slice(&revocation.person) {
            let known = self.people.entry(person).or_default();
            if revocation.not_before_s > known.not_before_s || revocation.epoch > known.epoch {
                known.not_before_s = known.not_before_s.max(revocation.not_before_s);
                known.epoch = known.epoch.max(revocation.epoch);
                changes.people.push((person, known.not_before_s));
            }
        }
    }
}
