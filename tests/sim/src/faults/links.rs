//! Links that lose, hold and delay messages, one way or both; whole sites that are cut off.

use std::time::Duration;

use rand::Rng;
use turmoil::Sim;

use super::{Broken, Faults};
use crate::layout::{SITES, everybody, servers, split};

impl Faults {
    /// A whole site, its people included, is cut off from the others.
    pub(super) fn cut_site(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let (here, there) = split(self.rng.random_range(0..SITES.len()));
        let until = now + self.length();
        for a in &here {
            for b in &there {
                self.link(sim, Broken::Cut(a.clone(), b.clone()), until, "site link cut");
            }
        }
    }

    /// One link of a node or a router.
    pub(super) fn break_link(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let (a, b) = self.pair();
        let until = now + self.length();
        match self.rng.random_range(0..26) {
            0..9 => self.link(sim, Broken::Cut(a, b), until, "link cut"),
            9..15 => self.link(sim, Broken::OneWay(a, b), until, "link cut one way"),
            15..20 => self.link(sim, Broken::Held(a, b), until, "link held"),
            _ => self.link(sim, Broken::Slow(a, b), until, "link slow"),
        }
    }

    fn pair(&mut self) -> (String, String) {
        let (from, to) = (servers(), everybody());
        let a = self.rng.random_range(0..from.len());
        let b = (a + self.rng.random_range(1..to.len())) % to.len();
        (from[a].clone(), to[b].clone())
    }

    /// Breaks a link, unless it is broken in some way already.
    fn link(&mut self, sim: &mut Sim<'_>, broken: Broken, until: Duration, kind: &'static str) {
        let ends = ends(&broken).expect("a fault of a link");
        let taken = |(_, other): &(Duration, Broken)| {
            self::ends(other).is_some_and(|other| other == ends || other == (ends.1, ends.0))
        };
        if self.broken.iter().any(taken) {
            return;
        }
        match &broken {
            Broken::Cut(a, b) => sim.partition(a.as_str(), b.as_str()),
            Broken::OneWay(a, b) => sim.partition_oneway(a.as_str(), b.as_str()),
            Broken::Held(a, b) => sim.hold(a.as_str(), b.as_str()),
            Broken::Slow(a, b) => {
                sim.set_link_max_message_latency(a.as_str(), b.as_str(), Duration::from_millis(800));
            }
            _ => unreachable!("not of a link"),
        }
        self.break_until(until, broken, kind);
    }
}

fn ends(broken: &Broken) -> Option<(&String, &String)> {
    match broken {
        Broken::Cut(a, b) | Broken::OneWay(a, b) | Broken::Held(a, b) | Broken::Slow(a, b) => Some((a, b)),
        _ => None,
    }
}
