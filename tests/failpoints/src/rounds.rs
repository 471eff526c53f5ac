//! Orders that servers obey while people talk.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hansard_failpoint::{Kind, Point};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::PATIENCE;
use crate::cluster::{Cluster, FOUNDERS, NODES, ROUTERS, router};
use crate::plan::{self, Scene};
use crate::process::{GLANCE, Order};
use crate::run::Run;

/// Between two prods: what one does takes about as long.
const PROD: Duration = Duration::from_millis(300);
/// Points that are passed all the time are let go by up to so many times.
const AFTER: u32 = 4;
/// `SIGABRT`: how a process ends itself.
const ABORT: i32 = 6;

impl Run {
    /// Has a server obey, and sees that the promises hold that can be seen at once: it starts again, and people go on.
    pub(crate) fn round(&mut self, scene: Scene, order: Order) -> Result<()> {
        let server = match scene {
            Scene::Router => router(self.dice.random_range(0..ROUTERS)),
            _ => self.dice.random_range(0..FOUNDERS),
        };
        if scene == Scene::Full {
            self.cluster.servers[server].kill()?;
            self.obeys_at_start(server, &order)?;
            return self.back(server);
        }
        let after = if scene == Scene::Talk { self.dice.random_range(0..AFTER) } else { 0 };
        let order = Order { after, ..order };
        self.cluster.servers[server].tell(&[order])?;
        self.obeys(server, &order, scene)?;
        self.aftermath(server, &order)
    }

    /// Waits until a server obeys, and does what makes it pass there.
    pub(crate) fn obeys(&mut self, server: usize, order: &Order, scene: Scene) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut prodded = Instant::now();
        for count in 0_u64.. {
            if self.cluster.servers[server].has_obeyed(order)? {
                break;
            }
            ensure!(Instant::now() < until, "{} does not come to {order}", self.cluster.servers[server].name);
            if count == 0 || prodded.elapsed() > PROD {
                self.prod(server, scene)?;
                prodded = Instant::now();
            }
            std::thread::sleep(GLANCE);
        }
        self.note(server, order);
        Ok(())
    }

    fn prod(&mut self, server: usize, scene: Scene) -> Result<()> {
        match scene {
            Scene::Lead => self.have_lead(server, |name| name != "meta"),
            Scene::Enroll => {
                self.have_lead(server, |name| name == "meta")?;
                let stranger = self.cluster.token(&format!("stranger{}", self.dice.random::<u64>()))?;
                // Who is let in late is let in all the same; that they come is what counts here.
                self.cluster.runtime.spawn(Cluster::connect(stranger, 0));
                Ok(())
            }
            // After a crash everybody may be at the other one, and stay there.
            Scene::Router => {
                let stranger = self.cluster.token(&format!("stranger{}", self.dice.random::<u64>()))?;
                if let Some(load) = &self.load {
                    load.visit(&self.cluster, stranger, server - router(0));
                }
                Ok(())
            }
            Scene::HandOver => {
                let places = self.cluster.places()?;
                let place = places.choose(&mut self.dice).context("there are shards")?;
                let others: Vec<usize> =
                    place.voters.iter().copied().filter(|to| *to != server && Some(*to) != place.leader).collect();
                match others.choose(&mut self.dice) {
                    Some(to) => self.cluster.hand_over(&place.id, *to),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Gives a node the lead of a shard of this kind, unless it leads one.
    fn have_lead(&mut self, node: usize, kind: impl Fn(&str) -> bool) -> Result<()> {
        let places = self.cluster.places()?;
        let mut of_kind = places.iter().filter(|place| kind(&place.name) && place.voters.contains(&node));
        if of_kind.clone().any(|place| place.leader == Some(node)) {
            return Ok(());
        }
        let place = of_kind.next().with_context(|| format!("node{node} votes nowhere"))?;
        self.cluster.hand_over(&place.id, node)
    }

    /// What must follow once a server has obeyed.
    fn aftermath(&mut self, server: usize, order: &Order) -> Result<()> {
        match (order.action, order.point.kind()) {
            ("crash", _) => self.aborts(server)?,
            ("error", Kind::Step) => self.aborts(server)?,
            ("error", Kind::Reserve) => {
                self.goes_on()?;
                // Goes on without, or ends where nothing else is left.
                if self.cluster.servers[server].status()?.is_none() {
                    return Ok(());
                }
                self.aborts(server)?;
            }
            ("delay", Kind::Ack) => return self.goes_on(),
            _ => bail!("{order} makes no sense"),
        }
        let scene = match order.point {
            Point::SegmentRotated => Some(Scene::Rotated),
            Point::SegmentReleased => Some(Scene::Leftover),
            _ => None,
        };
        for next in scene.map(|scene| plan::of(&self.orders, scene)).into_iter().flatten() {
            self.obeys_at_start(server, &next)?;
        }
        if server < NODES {
            self.stumble(server)?;
        }
        self.back(server)
    }

    /// Has a node that is down obey one of the orders for starts that are left, if any is.
    fn stumble(&mut self, node: usize) -> Result<()> {
        match self.starts.pop() {
            Some(order) => self.obeys_at_start(node, &order),
            None => Ok(()),
        }
    }

    /// Fires what is left of the orders for starts: there were fewer crashes than such orders.
    pub(crate) fn starts(&mut self) -> Result<()> {
        while !self.starts.is_empty() {
            let node = self.dice.random_range(0..FOUNDERS);
            self.cluster.servers[node].kill()?;
            self.stumble(node)?;
            self.back(node)?;
        }
        Ok(())
    }

    /// It ends itself.
    pub(crate) fn aborts(&mut self, server: usize) -> Result<()> {
        let status = self.cluster.servers[server].wait()?;
        let server = &self.cluster.servers[server];
        ensure!(status.signal() == Some(ABORT), "{} ended with {status}:\n{}", server.name, server.last_words());
        Ok(())
    }

    /// Starts a server that is down, and waits until it has obeyed and ended: crashed, or refusing to start.
    pub(crate) fn obeys_at_start(&mut self, server: usize, order: &Order) -> Result<()> {
        let full = plan::scene(order.point) == Scene::Full;
        self.cluster.servers[server].tell(&[*order])?;
        self.cluster.servers[server].start(if full { &[("FAILPOINTS_FULL_DISK", "1")] } else { &[] })?;
        self.obeys(server, order, Scene::Start)?;
        let status = self.cluster.servers[server].wait()?;
        ensure!(!status.success(), "{} ended well after {order}", self.cluster.servers[server].name);
        Ok(())
    }

    /// Starts a server, and waits until it serves and everybody is served.
    pub(crate) fn back(&mut self, server: usize) -> Result<()> {
        self.cluster.servers[server].tell(&[])?;
        self.cluster.start(server)?;
        self.cluster.serves(server)?;
        self.goes_on()
    }
}
