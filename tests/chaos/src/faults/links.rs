//! Links that carry nothing, or not all: pairs of addresses under a filter of the network.

use std::slice::from_ref;
use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::host::network::{Filter, SITES, dropped, filter, unfilter};
use crate::rig::Rig;
use crate::slot::Slot;

/// Two nodes do not hear each other; both hear all others.
pub(super) const PARTITION: Kind = kind("partition", 15, |dice, seconds| {
    Links::draw(dice, seconds, Filter::Cut, |rig, pick| {
        let [a, b] = two(rig, pick);
        let pairs = both_ways(from_ref(&a.address), from_ref(&b.address));
        (pairs, format!("{} and {}", a.name, b.name))
    })
});

/// A node hears another, and is not heard by it.
pub(super) const ONE_WAY: Kind = kind("one_way", 15, |dice, seconds| {
    Links::draw(dice, seconds, Filter::Cut, |rig, pick| {
        let [a, b] = two(rig, pick);
        let pairs = pairs(from_ref(&a.address), from_ref(&b.address));
        (pairs, format!("from {} to {}", a.name, b.name))
    })
});

/// A fifth of the packets from and to a node is lost.
pub(super) const LOSS: Kind = kind("loss", 15, |dice, seconds| {
    Links::draw(dice, seconds, Filter::Lossy, |rig, pick| {
        let [node, _] = two(rig, pick);
        let others: Vec<String> = rig.addresses().into_iter().map(|(_, address)| address).collect();
        (both_ways(from_ref(&node.address), &others), node.name.clone())
    })
});

/// A site is cut off from the others, routers and all.
pub(super) const SITE_CUT: Kind = kind("site_cut", 12, |dice, seconds| {
    Links::draw(dice, seconds, Filter::Cut, |rig, pick| {
        let site = pick as usize % SITES.len();
        let (inside, outside): (Vec<_>, Vec<_>) = rig.addresses().into_iter().partition(|(at, _)| *at == site);
        let [inside, outside] = [inside, outside].map(|side| side.into_iter().map(|(_, a)| a).collect::<Vec<_>>());
        (both_ways(&inside, &outside), SITES[site].to_owned())
    })
});

const fn kind(name: &'static str, longest: u64, draw: fn(&mut StdRng, u64) -> Box<dyn Fault>) -> Kind {
    Kind { name, lane: Lane::Disturb, needs: Needs::Nothing, seconds: 3..=longest, draw }
}

/// Nodes and routers talk all the time: something is dropped so soon, or the filter does not work.
const TAKES_HOLD: Duration = Duration::from_secs(3);

/// Addresses from which and to which.
type Pairs = Vec<(String, String)>;

struct Links {
    pick: u32,
    seconds: u64,
    filter: Filter,
    /// Which pairs, and how they are called.
    choose: fn(&Rig, u32) -> (Pairs, String),
    filtered: Pairs,
}

impl Links {
    fn draw(
        dice: &mut StdRng,
        seconds: u64,
        filter: Filter,
        choose: fn(&Rig, u32) -> (Pairs, String),
    ) -> Box<dyn Fault> {
        Box::new(Self { pick: dice.random(), seconds, filter, choose, filtered: vec![] })
    }
}

impl Fault for Links {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let (pairs, what) = (self.choose)(rig, self.pick);
        let before = dropped(self.filter)?;
        // The kernel lifts the filter after its time, whatever becomes of this program.
        filter(self.filter, &pairs, self.seconds + 1)?;
        self.filtered = pairs;
        let took_hold = rig.wait(TAKES_HOLD, || dropped(self.filter).is_ok_and(|now| now > before));
        Ok(if took_hold {
            Outcome::Installed(what)
        } else {
            Outcome::Indeterminate(format!("{what}: nothing dropped"))
        })
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        unfilter(self.filter, &self.filtered);
        Ok(())
    }
}

/// From each of the first to each of the second.
fn pairs(from: &[String], to: &[String]) -> Pairs {
    from.iter().flat_map(|a| to.iter().map(move |b| (a.clone(), b.clone()))).collect()
}

fn both_ways(from: &[String], to: &[String]) -> Pairs {
    [pairs(from, to), pairs(to, from)].concat()
}

/// Two nodes that serve.
fn two(rig: &Rig, pick: u32) -> [&Slot; 2] {
    let serving: Vec<&Slot> = rig.slots.iter().filter(|slot| rig.claims.serves(slot.number)).collect();
    let (count, pick) = (serving.len(), pick as usize);
    let (first, step) = (pick % count, 1 + pick / count % (count - 1));
    [serving[first], serving[(first + step) % count]]
}
