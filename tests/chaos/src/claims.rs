//! Who has hands on what: a fault has what it breaks to itself, be it a node's process and disk, a router, the line to a site,
//! or what is filtered between two hosts. So none heals what another one still breaks, and none finds that it is broken already.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::host::network::{Filter, SITES};

/// What a fault must have to itself, and the numbers that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing; no numbers.
    Nothing,
    /// A node that serves.
    Node,
    /// All nodes; the numbers of those that serve.
    Everything,
    /// A router.
    Router,
    /// The line that joins a site to the others; the site.
    Line,
    /// A filter between two nodes that serve; both.
    Link(Filter),
    /// A filter between a node that serves and everybody else; the node.
    Links(Filter),
    /// A filter between all that is at a site and everybody else; the site.
    Border(Filter),
}

/// What only one has hands on at a time. Hosts are nodes first, then routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Node(usize),
    Router(usize),
    Line(usize),
    /// What one filter does between two hosts, in either direction; the smaller number first.
    Filtered(Filter, usize, usize),
}

impl Place {
    fn filtered(filter: Filter, a: usize, b: usize) -> Self {
        Self::Filtered(filter, a.min(b), a.max(b))
    }
}

/// A way to have what is needed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Way {
    numbers: Vec<usize>,
    places: Vec<Place>,
}

#[derive(Debug)]
struct State {
    taken: BTreeSet<Place>,
    /// Nodes that serve, and may be struck.
    serving: Vec<bool>,
    /// The site of each host.
    sites: Vec<usize>,
    /// How many wait for all nodes: nobody else takes one meanwhile.
    want_all: usize,
}

/// Hands on nodes, routers and what is between them.
#[derive(Debug)]
pub(crate) struct Claims {
    state: Mutex<State>,
    changed: Condvar,
}

/// Hands on something, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    way: Way,
}

impl Claims {
    /// `sites`: the site of each host, nodes first. So many of these are nodes, of which the first so many serve.
    pub(crate) fn new(sites: Vec<usize>, nodes: usize, serving: usize) -> Self {
        let serving = (0..nodes).map(|node| node < serving).collect();
        let state = State { taken: BTreeSet::new(), serving, sites, want_all: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a node serves.
    pub(crate) fn set_serving(&self, node: usize, serving: bool) {
        self.state().serving[node] = serving;
        self.changed.notify_all();
    }

    /// Whether a node serves.
    pub(crate) fn serves(&self, node: usize) -> bool {
        self.state().serving[node]
    }

    /// Takes what is needed: of the ways in which all is free, the one at which counting from `first` comes by first. Waits while
    /// there is none.
    pub(crate) fn take(&self, needs: Needs, first: usize, within: Duration) -> Option<Claim<'_>> {
        let wants_all = usize::from(needs == Needs::Everything);
        self.state().want_all += wants_all;
        let claim = self.wait(within, |state| {
            let mut ways = state.ways(needs);
            let count = ways.len().max(1);
            ways.rotate_left(first % count);
            ways.into_iter().find(|way| way.places.iter().all(|place| !state.taken.contains(place)))
        });
        self.state().want_all -= wants_all;
        self.changed.notify_all();
        claim
    }

    /// Takes one node, whether it serves or not.
    pub(crate) fn take_node(&self, node: usize, within: Duration) -> Option<Claim<'_>> {
        self.wait(within, |state| state.node(node).filter(|_| state.want_all == 0))
    }

    /// Takes a node at once if it is free.
    pub(crate) fn try_take(&self, node: usize) -> Option<Claim<'_>> {
        self.wait(Duration::ZERO, |state| state.node(node))
    }

    fn wait(&self, within: Duration, mut pick: impl FnMut(&State) -> Option<Way>) -> Option<Claim<'_>> {
        let until = Instant::now() + within;
        let mut state = self.state();
        loop {
            if let Some(way) = pick(&state) {
                state.taken.extend(&way.places);
                return Some(Claim { claims: self, way });
            }
            let left = until.checked_duration_since(Instant::now())?;
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// A node, if it is free.
    fn node(&self, node: usize) -> Option<Way> {
        let place = Place::Node(node);
        (!self.taken.contains(&place)).then(|| Way { numbers: vec![node], places: vec![place] })
    }

    /// All ways to have what is needed, whatever is taken.
    fn ways(&self, needs: Needs) -> Vec<Way> {
        let (hosts, nodes) = (0..self.sites.len(), 0..self.serving.len());
        let serving: Vec<usize> = nodes.clone().filter(|node| self.serving[*node]).collect();
        let one = |number, places| Way { numbers: vec![number], places };
        match needs {
            Needs::Nothing => vec![Way::default()],
            Needs::Node if self.want_all > 0 => vec![],
            Needs::Node => serving.into_iter().map(|node| one(node, vec![Place::Node(node)])).collect(),
            Needs::Everything => vec![Way { numbers: serving, places: nodes.map(Place::Node).collect() }],
            Needs::Router => {
                (0..hosts.len() - nodes.len()).map(|router| one(router, vec![Place::Router(router)])).collect()
            }
            Needs::Line => (0..SITES.len()).map(|site| one(site, vec![Place::Line(site)])).collect(),
            Needs::Link(filter) => {
                let pairs = serving.iter().flat_map(|a| serving.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
                let way = |(a, b)| Way { numbers: vec![a, b], places: vec![Place::filtered(filter, a, b)] };
                pairs.map(way).collect()
            }
            Needs::Links(filter) => {
                let others = |node: usize| hosts.clone().filter(move |host| *host != node);
                let links = |node| others(node).map(|host| Place::filtered(filter, node, host)).collect::<Vec<Place>>();
                serving.into_iter().map(|node| one(node, links(node))).collect()
            }
            Needs::Border(filter) => {
                let crossing = |site| -> Vec<Place> {
                    let (inside, outside): (Vec<usize>, Vec<usize>) =
                        hosts.clone().partition(|host| self.sites[*host] == site);
                    let links = |a: usize| outside.iter().map(move |b| Place::filtered(filter, a, *b));
                    inside.into_iter().flat_map(links).collect()
                };
                (0..SITES.len()).map(|site| one(site, crossing(site))).collect()
            }
        }
    }
}

impl Claim<'_> {
    /// The numbers of what is claimed: nodes, a router or a site.
    pub(crate) fn numbers(&self) -> &[usize] {
        &self.way.numbers
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.claims.state();
        for place in &self.way.places {
            state.taken.remove(place);
        }
        drop(state);
        self.claims.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six nodes and two routers at three sites in turn; five of the nodes serve.
    fn claims() -> Claims {
        Claims::new(vec![0, 1, 2, 0, 1, 2, 0, 1], 6, 5)
    }

    fn take(claims: &Claims, needs: Needs, first: usize) -> Option<Claim<'_>> {
        claims.take(needs, first, Duration::ZERO)
    }

    #[test]
    fn a_node_is_claimed_once_and_the_next_free_one_is_found() {
        let claims = Claims::new(vec![0, 1, 2], 3, 2);
        let first = take(&claims, Needs::Node, 1).unwrap();
        assert_eq!(first.numbers(), [1]);
        let second = take(&claims, Needs::Node, 1).unwrap();
        assert_eq!(second.numbers(), [0]);
        assert!(take(&claims, Needs::Node, 1).is_none());
        assert!(take(&claims, Needs::Everything, 0).is_none());
        drop((first, second));
        assert_eq!(take(&claims, Needs::Everything, 0).unwrap().numbers(), [0, 1]);
        assert!(claims.try_take(2).is_some());
    }

    #[test]
    fn faults_of_lines_get_a_site_each_and_a_fourth_waits_until_one_is_healed() {
        let claims = claims();
        let mut held: Vec<Claim<'_>> = (0..3).map(|_| take(&claims, Needs::Line, 4).unwrap()).collect();
        let sites: Vec<&[usize]> = held.iter().map(Claim::numbers).collect();
        assert_eq!(sites, [[1], [2], [0]]);
        assert!(take(&claims, Needs::Line, 4).is_none());
        std::thread::scope(|scope| {
            let fourth =
                scope.spawn(|| claims.take(Needs::Line, 4, Duration::from_secs(60)).unwrap().numbers().to_vec());
            drop(held.remove(1));
            assert_eq!(fourth.join().unwrap(), [2]);
        });
    }

    #[test]
    fn of_two_nodes_only_one_fault_holds_a_filter_in_either_direction() {
        let claims = claims();
        let first = take(&claims, Needs::Link(Filter::Cut), 0).unwrap();
        assert_eq!(first.numbers(), [0, 1]);
        let others: Vec<Claim<'_>> =
            (0..9).map(|first| take(&claims, Needs::Link(Filter::Cut), first).unwrap()).collect();
        let pairs = others.iter().chain([&first]).map(|claim| claim.numbers().iter().copied().collect());
        assert_eq!(pairs.collect::<BTreeSet<BTreeSet<usize>>>().len(), 10, "each pair of five nodes once");
        assert!(take(&claims, Needs::Link(Filter::Cut), 0).is_none());
        // What the other filter does, and a node itself, are other things.
        assert!(take(&claims, Needs::Links(Filter::Lossy), 0).is_some());
        assert_eq!(take(&claims, Needs::Node, 0).unwrap().numbers(), [0]);
    }

    #[test]
    fn a_site_is_cut_off_while_no_link_across_its_border_is_cut() {
        let claims = claims();
        let cut = take(&claims, Needs::Link(Filter::Cut), 0).unwrap();
        assert_eq!(cut.numbers(), [0, 1], "at sites 0 and 1");
        let site = take(&claims, Needs::Border(Filter::Cut), 0).unwrap();
        assert_eq!(site.numbers(), [2]);
        assert!(take(&claims, Needs::Border(Filter::Cut), 0).is_none());
        drop((cut, site));
        let site = take(&claims, Needs::Border(Filter::Cut), 0).unwrap();
        assert_eq!(site.numbers(), [0]);
        assert_eq!(take(&claims, Needs::Link(Filter::Cut), 0).unwrap().numbers(), [0, 3], "both at the site");
    }

    #[test]
    fn a_router_is_claimed_once() {
        let claims = claims();
        let both = [take(&claims, Needs::Router, 7).unwrap(), take(&claims, Needs::Router, 7).unwrap()];
        assert_eq!(both.each_ref().map(|claim| claim.numbers()[0]), [1, 0]);
        assert!(take(&claims, Needs::Router, 0).is_none());
    }
}
