//! Orders that take more than people who talk: a founding, a join, a node that was away, a leader that is overruled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hansard_client::ClientError;
use hansard_failpoint::Point;
use rand::Rng;

use crate::PATIENCE;
use crate::cluster::{FOUNDERS, JOINER, NODES, Place, applied, is_ready};
use crate::plan::{self, Scene};
use crate::process::{GLANCE, Order};
use crate::run::Run;

/// Entries after which a node that was away finds none that it lacks: snapshots are taken every 100.
const BEHIND: u64 = 230;
/// So many entries of its record more, and people talk in a shard: a person who is let in, or a refusal, leaves one or two in a quiet one.
const TALK: u64 = 10;
/// How long a leader that has lost all others goes on taking messages that nobody else will have.
const ALONE: Duration = Duration::from_millis(300);
/// How long a leadership takes to be handed over, and more.
const HANDING: Duration = Duration::from_secs(1);
/// Longer than a replica is kept that has moved away, after which another is moved: the first one may have been moved back. Sooner would
/// do that itself, as there may be only one that can be moved, here and away again.
const AGAIN: Duration = Duration::from_secs(90);
/// So long that another one can have gone too.
const KEPT: Duration = Duration::from_secs(240);

impl Run {
    /// Three empty disks become a cluster, although every process crashes wherever one can on the way.
    pub(crate) fn found(&mut self) -> Result<()> {
        let mut left = plan::of(&self.orders, Scene::Founding);
        let mut told: [Vec<Order>; FOUNDERS] = Default::default();
        for (node, told) in told.iter_mut().enumerate() {
            *told = self.start_armed(node, &left)?;
        }
        let until = Instant::now() + PATIENCE;
        while !left.is_empty() || !(0..FOUNDERS).all(is_ready) {
            ensure!(Instant::now() < until, "no cluster is founded; not obeyed: {left:?}");
            for (node, told) in told.iter_mut().enumerate() {
                let ended = self.cluster.servers[node].status()?.is_some();
                for order in told.iter() {
                    let open = left.iter().position(|open| open == order);
                    if let Some(open) = open.filter(|_| self.cluster.servers[node].obeyed(order).unwrap_or(false)) {
                        left.remove(open);
                        self.note(node, order);
                    }
                }
                if ended {
                    self.cluster.servers[node].wait()?;
                    *told = self.start_armed(node, &left)?;
                }
            }
            std::thread::sleep(GLANCE);
        }
        for node in 0..FOUNDERS {
            self.cluster.servers[node].tell(&[])?;
        }
        Ok(())
    }

    /// Starts a node with the first order that is left of each point.
    fn start_armed(&mut self, node: usize, left: &[Order]) -> Result<Vec<Order>> {
        let mut orders: Vec<Order> = left.to_vec();
        orders.dedup_by_key(|order| order.point);
        self.cluster.servers[node].tell(&orders)?;
        self.cluster.start(node)?;
        Ok(orders)
    }

    /// A fourth node joins, crashes on the way, and gets its share; then one of its replicas moves away again.
    pub(crate) fn join(&mut self) -> Result<()> {
        self.cluster.servers[JOINER].tell(&[])?;
        for order in plan::of(&self.orders, Scene::Joining) {
            self.obeys_at_start(JOINER, &order)?;
            self.cluster.servers[JOINER].tell(&[])?;
        }
        self.cluster.start(JOINER)?;
        self.cluster.serves(JOINER)?;
        let joiner = self.cluster.id(JOINER)?;
        self.cluster.operate(async |client| client.join_node(joiner).await)?;
        let leaving = plan::of(&self.orders, Scene::Leaving);
        let Some(first) = leaving.first() else { return self.goes_on() };
        let until = Instant::now() + PATIENCE;
        while !self.move_one_away()? {
            ensure!(Instant::now() < until, "no replica moves to the joiner and away again");
            std::thread::sleep(GLANCE * 20);
        }
        self.cluster.servers[JOINER].tell(&[*first])?;
        self.goes_on()
    }

    /// Moves a replica from the joiner to a node that has fewer, so that placement leaves it there; where nobody has, first one to the
    /// joiner from a node that has more. Whether one was moved away.
    fn move_one_away(&mut self) -> Result<bool> {
        let places = self.cluster.places()?;
        let has = |node| places.iter().filter(|place| place.voters.contains(&node)).count();
        let counts: Vec<usize> = (0..NODES).map(has).collect();
        if counts.iter().max() > counts.iter().min().map(|least| least + 1).as_ref() {
            // Placement has not filled the joiner yet.
            return Ok(false);
        }
        let movable = |from: usize, to: usize| {
            let only = |place: &&Place| place.voters.contains(&from) && !place.voters.contains(&to);
            places.iter().filter(|place| place.name != "meta").find(only)
        };
        let away = (0..FOUNDERS).filter(|node| counts[*node] < counts[JOINER]).map(|node| (JOINER, node));
        let here = (0..FOUNDERS).filter(|node| counts[*node] > counts[JOINER]).map(|node| (node, JOINER));
        let mut moves = away.chain(here).filter_map(|(from, to)| Some((movable(from, to)?, from, to)));
        let Some((place, from, to)) = moves.next() else { return Ok(false) };
        self.move_replica(&place.id, from, to).map(|taken| taken && from == JOINER)
    }

    /// Whether that was taken.
    fn move_replica(&mut self, shard: &str, from: usize, to: usize) -> Result<bool> {
        let (from, to) = (self.cluster.id(from)?, self.cluster.id(to)?);
        match self.cluster.operate(async |client| client.move_replica(shard, from, to).await) {
            Ok(_) => Ok(true),
            // Another move is under way, or takes its time.
            Err(error)
                if matches!(error.downcast_ref(), Some(ClientError::Refused(_) | ClientError::Unknown { .. })) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The replica that moved away is removed, with a crash wherever one can be. Nothing is left to do the second time.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let leaving = plan::of(&self.orders, Scene::Leaving);
        let Some(first) = leaving.first().filter(|_| !self.left) else { return Ok(()) };
        self.left = true;
        let (until, mut moved) = (Instant::now() + KEPT, Instant::now());
        while !self.cluster.servers[JOINER].has_obeyed(first)? {
            ensure!(Instant::now() < until, "the joiner keeps a replica that has moved away");
            if moved.elapsed() > AGAIN {
                self.move_one_away()?;
                moved = Instant::now();
            }
            std::thread::sleep(GLANCE);
        }
        self.note(JOINER, first);
        self.aborts(JOINER)?;
        for order in &leaving[1..] {
            self.obeys_at_start(JOINER, order)?;
        }
        self.back(JOINER)
    }

    /// A node comes back and must take snapshots, with a crash wherever one can be; then its leader crashes while it sends one.
    pub(crate) fn behind(&mut self) -> Result<()> {
        let node = self.dice.random_range(0..FOUNDERS);
        let mut down = false;
        for order in plan::of(&self.orders, Scene::Behind) {
            // One that has crashed lacks as much as before, of all shards but one.
            self.on_return(node, down, order, |_| Ok(node))?;
            down = order.action == "crash";
            if down {
                self.aborts(node)?;
                if order.point == Point::SnapshotSwitch {
                    self.resumed(node)?;
                }
            }
        }
        if down {
            self.back(node)?;
        }
        for order in plan::of(&self.orders, Scene::Ahead) {
            let leader = self.on_return(node, false, order, |run| run.leader_over(node))?;
            self.aborts(leader)?;
            self.back(leader)?;
        }
        self.goes_on()
    }

    /// A node that crashed with a whole snapshot beside its rows goes on with it, and crashes again; then the others have forgotten
    /// it, and send another one.
    fn resumed(&mut self, node: usize) -> Result<()> {
        for order in plan::of(&self.orders, Scene::Resumed) {
            self.obeys_at_start(node, &order)?;
        }
        let replaced = plan::of(&self.orders, Scene::Replaced);
        if replaced.is_empty() {
            return Ok(());
        }
        for other in (0..NODES).filter(|other| *other != node) {
            self.cluster.servers[other].kill()?;
            self.cluster.servers[other].tell(&[])?;
            self.cluster.start(other)?;
            self.cluster.serves(other)?;
        }
        replaced.iter().try_for_each(|order| self.obeys_at_start(node, order))
    }

    /// Has a node come back to others that have purged what it lacks until the one that `who` names then obeys. `lacks`: it is
    /// down and lacks something.
    fn on_return(
        &mut self,
        node: usize,
        mut lacks: bool,
        order: Order,
        who: impl Fn(&mut Self) -> Result<usize>,
    ) -> Result<usize> {
        loop {
            if !std::mem::take(&mut lacks) {
                self.fall_behind(node)?;
            }
            let who = who(self)?;
            self.cluster.servers[node].tell(&[])?;
            self.cluster.servers[who].tell(&[order])?;
            self.cluster.start(node)?;
            if self.obeys_before(node, who, &order)? {
                return Ok(who);
            }
        }
    }

    /// Kills a node, and waits until the others have purged what it will lack, of all shards in which anybody talks: chance may have
    /// left some without a room.
    fn fall_behind(&mut self, node: usize) -> Result<()> {
        self.cluster.servers[node].kill()?;
        let before = newest(node)?;
        let until = Instant::now() + PATIENCE;
        let meta = "0".repeat(32);
        loop {
            let now = newest(node)?;
            let grown = before.iter().filter(|(shard, _)| **shard != meta).filter_map(|(shard, (index, entries))| {
                let (now_index, now_entries) = now.get(shard)?;
                (*now_entries >= entries + TALK).then(|| now_index - index)
            });
            if grown.min().is_some_and(|least| least >= BEHIND) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "the others do not get ahead: {before:?} became {now:?}");
            std::thread::sleep(GLANCE * 10);
        }
    }

    /// Waits until `who` obeys, or `node` has all that the others have and nothing to take any more; whether it was the first.
    fn obeys_before(&mut self, node: usize, who: usize, order: &Order) -> Result<bool> {
        let until = Instant::now() + PATIENCE;
        let wanted = newest(node)?;
        loop {
            // One that has only just started tells of no replicas yet.
            let caught_up = is_ready(node)
                && applied(node).is_ok_and(|replicas| {
                    replicas
                        .iter()
                        .all(|(shard, (index, _))| wanted.get(shard).is_none_or(|(wanted, _)| index >= wanted))
                });
            if self.cluster.servers[who].has_obeyed(order)? {
                self.note(who, order);
                return Ok(true);
            }
            if caught_up {
                return Ok(false);
            }
            ensure!(Instant::now() < until, "{} does not come to {order}", self.cluster.servers[who].name);
            std::thread::sleep(GLANCE);
        }
    }

    /// A founder that leads a shard in which `node` votes.
    fn leader_over(&mut self, node: usize) -> Result<usize> {
        let places = self.cluster.places()?;
        let led = places.iter().filter(|place| place.name != "meta" && place.voters.contains(&node));
        let leader = led.filter_map(|place| place.leader).find(|leader| *leader != node && *leader < FOUNDERS);
        leader.context("nobody leads what the node votes in")
    }

    /// A leader takes entries that nobody else gets, and comes back to others that have gone on without it.
    pub(crate) fn overruled(&mut self) -> Result<()> {
        let node = self.dice.random_range(0..FOUNDERS);
        for order in plan::of(&self.orders, Scene::Overruled) {
            let until = Instant::now() + PATIENCE;
            loop {
                self.leads_many(node)?;
                self.leave_alone(node)?;
                self.cluster.servers[node].tell(&[order])?;
                self.cluster.start(node)?;
                let obeyed = self.obeys_before(node, node, &order)?;
                self.slow(false);
                if obeyed {
                    break;
                }
                ensure!(Instant::now() < until, "nothing that node{node} takes alone is overruled");
            }
            self.aborts(node)?;
            self.back(node)?;
        }
        Ok(())
    }

    fn slow(&self, slow: bool) {
        if let Some(load) = &self.load {
            load.slow(slow);
        }
    }

    /// Has a node lead half of the shards of rooms that it votes in, or more: who comes back leads none for a while, and then takes
    /// no entry alone. Not all of them: a replica may be on its way elsewhere.
    fn leads_many(&mut self, node: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let places = self.cluster.places()?;
            let voted = places.iter().filter(|place| place.name != "meta" && place.voters.contains(&node));
            let (led, others): (Vec<_>, Vec<_>) = voted.partition(|place| place.leader == Some(node));
            if led.len() >= others.len() {
                return Ok(());
            }
            ensure!(Instant::now() < until, "node{node} does not get to lead {others:?}");
            others.into_iter().try_for_each(|place| self.cluster.hand_over(&place.id, node))?;
            std::thread::sleep(HANDING);
        }
    }

    /// Kills all nodes but one, then that one, and has the others go on without it.
    fn leave_alone(&mut self, node: usize) -> Result<()> {
        let others: Vec<usize> = (0..NODES).filter(|other| *other != node).collect();
        for other in &others {
            self.cluster.servers[*other].kill()?;
        }
        std::thread::sleep(ALONE);
        self.cluster.servers[node].kill()?;
        // Few entries: the others must not have purged where they and the node part, or it is sent a snapshot.
        self.slow(true);
        for other in &others {
            self.cluster.servers[*other].tell(&[])?;
            self.cluster.start(*other)?;
        }
        others.into_iter().try_for_each(|other| self.cluster.serves(other))?;
        self.goes_on()
    }
}

/// Shard to the newest entry that any node but one has applied, and the entries of its record.
fn newest(but: usize) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut newest = BTreeMap::new();
    for node in (0..NODES).filter(|node| *node != but) {
        for (shard, (index, entries)) in applied(node)? {
            let known = newest.entry(shard).or_insert((index, entries));
            *known = (index.max(known.0), entries.max(known.1));
        }
    }
    Ok(newest)
}
