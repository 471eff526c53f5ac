//! Links that carry nothing, or not all: pairs of addresses under a filter of the network.

use std::slice::from_ref;
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;

use super::{Fault, Kind, Lane, Outcome, only, sole};
use crate::claims::Needs;
use crate::host::network::{Filter, SITES, dropped, filter, unfilter};
use crate::rig::Rig;
use crate::slot::Slot;

/// Two nodes do not hear each other; both hear all others.
pub(super) const PARTITION: Kind = kind("partition", Needs::Link(Filter::Cut), 15, |_, seconds| {
    Links::draw(seconds, Filter::Cut, |rig, nodes| {
        let [a, b] = two(rig, nodes)?;
        let pairs = both_ways(from_ref(&a.address), from_ref(&b.address));
        Ok((pairs, format!("{} and {}", a.name, b.name)))
    })
});

/// A node hears another, and is not heard by it.
pub(super) const ONE_WAY: Kind = kind("one_way", Needs::Link(Filter::Cut), 15, |_, seconds| {
    Links::draw(seconds, Filter::Cut, |rig, nodes| {
        let [a, b] = two(rig, nodes)?;
        let pairs = pairs(from_ref(&a.address), from_ref(&b.address));
        Ok((pairs, format!("from {} to {}", a.name, b.name)))
    })
});

/// A fifth of the packets from and to a node is lost.
pub(super) const LOSS: Kind = kind("loss", Needs::Links(Filter::Lossy), 15, |_, seconds| {
    Links::draw(seconds, Filter::Lossy, |rig, nodes| {
        let node = only(rig, nodes)?;
        let others: Vec<String> = rig.addresses().into_iter().map(|(_, address)| address).collect();
        Ok((both_ways(from_ref(&node.address), &others), node.name.clone()))
    })
});

/// A site is cut off from the others, routers and all.
pub(super) const SITE_CUT: Kind = kind("site_cut", Needs::Border(Filter::Cut), 12, |_, seconds| {
    Links::draw(seconds, Filter::Cut, |rig, sites| {
        let site = sole(sites)?;
        let (inside, outside): (Vec<_>, Vec<_>) = rig.addresses().into_iter().partition(|(at, _)| *at == site);
        let [inside, outside] = [inside, outside].map(|side| side.into_iter().map(|(_, a)| a).collect::<Vec<_>>());
        Ok((both_ways(&inside, &outside), SITES[site].to_owned()))
    })
});

const fn kind(name: &'static str, needs: Needs, longest: u64, draw: fn(&mut StdRng, u64) -> Box<dyn Fault>) -> Kind {
    Kind { name, lane: Lane::Disturb, needs, seconds: 3..=longest, draw }
}

/// Nodes and routers talk all the time: something is dropped so soon, or the filter does not work.
const TAKES_HOLD: Duration = Duration::from_secs(3);

/// Addresses from which and to which.
type Pairs = Vec<(String, String)>;

/// Which pairs, by the numbers of what was given, and how they are called.
type Choose = fn(&Rig, &[usize]) -> Result<(Pairs, String)>;

struct Links {
    seconds: u64,
    filter: Filter,
    choose: Choose,
    filtered: Pairs,
}

impl Links {
    fn draw(seconds: u64, filter: Filter, choose: Choose) -> Box<dyn Fault> {
        Box::new(Self { seconds, filter, choose, filtered: vec![] })
    }
}

impl Fault for Links {
    fn install(&mut self, rig: &Rig, numbers: &[usize]) -> Result<Outcome> {
        let (pairs, what) = (self.choose)(rig, numbers)?;
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

/// The two nodes that a fault got.
fn two<'a>(rig: &'a Rig, nodes: &[usize]) -> Result<[&'a Slot; 2]> {
    let [a, b] = *nodes else { bail!("two nodes are needed, and {nodes:?} were given") };
    Ok([&rig.slots[a], &rig.slots[b]])
}
