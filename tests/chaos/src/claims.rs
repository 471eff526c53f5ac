//! Who has hands on what: a fault that touches a node's process or disk has that node to itself, and only one fault at a
//! time takes data away. Faults of the network need nothing.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a fault must have to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// A node that serves.
    Node,
    /// All nodes.
    Everything,
}

#[derive(Debug)]
struct State {
    taken: Vec<bool>,
    /// Nodes that serve, and may be struck.
    serving: Vec<bool>,
    /// Somebody waits for all nodes: nobody else begins.
    wanted_whole: bool,
}

/// Hands on nodes, by their number.
#[derive(Debug)]
pub(crate) struct Claims {
    state: Mutex<State>,
    changed: Condvar,
}

/// Hands on some nodes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    nodes: Vec<usize>,
}

impl Claims {
    /// Of nodes of which the first so many serve.
    pub(crate) fn new(nodes: usize, serving: usize) -> Self {
        let serving = (0..nodes).map(|node| node < serving).collect();
        let state = State { taken: vec![false; nodes], serving, wanted_whole: false };
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

    /// Takes what is needed: of the nodes that serve and are free, the one at which counting from `first` comes by first.
    pub(crate) fn take(&self, needs: Needs, first: usize, within: Duration) -> Option<Claim<'_>> {
        match needs {
            Needs::Nothing => Some(Claim { claims: self, nodes: vec![] }),
            Needs::Node => self.wait(within, |state| {
                let count = state.taken.len();
                let mut order = (0..count).map(|step| (first + step) % count);
                let free = |node: &usize| state.serving[*node] && !state.taken[*node] && !state.wanted_whole;
                order.find(free).map(|node| vec![node])
            }),
            Needs::Everything => {
                self.state().wanted_whole = true;
                let claim = self.wait(within, |state| {
                    let free = !state.taken.contains(&true);
                    free.then(|| (0..state.taken.len()).filter(|node| state.serving[*node]).collect())
                });
                self.state().wanted_whole = false;
                self.changed.notify_all();
                claim
            }
        }
    }

    /// Takes one node, whether it serves or not.
    pub(crate) fn take_node(&self, node: usize, within: Duration) -> Option<Claim<'_>> {
        self.wait(within, |state| (!state.taken[node] && !state.wanted_whole).then(|| vec![node]))
    }

    /// Takes a node at once if it is free.
    pub(crate) fn try_take(&self, node: usize) -> Option<Claim<'_>> {
        self.wait(Duration::ZERO, |state| (!state.taken[node]).then(|| vec![node]))
    }

    fn wait(&self, within: Duration, mut pick: impl FnMut(&State) -> Option<Vec<usize>>) -> Option<Claim<'_>> {
        let until = Instant::now() + within;
        let mut state = self.state();
        loop {
            if let Some(nodes) = pick(&state) {
                nodes.iter().for_each(|node| state.taken[*node] = true);
                return Some(Claim { claims: self, nodes });
            }
            let left = until.checked_duration_since(Instant::now())?;
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Claim<'_> {
    /// The nodes that are claimed.
    pub(crate) fn nodes(&self) -> &[usize] {
        &self.nodes
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.claims.state();
        self.nodes.iter().for_each(|node| state.taken[*node] = false);
        drop(state);
        self.claims.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_claimed_once_and_the_next_free_one_is_found() {
        let claims = Claims::new(3, 2);
        let first = claims.take(Needs::Node, 1, Duration::ZERO).unwrap();
        assert_eq!(first.nodes(), [1]);
        let second = claims.take(Needs::Node, 1, Duration::ZERO).unwrap();
        assert_eq!(second.nodes(), [0]);
        assert!(claims.take(Needs::Node, 1, Duration::ZERO).is_none());
        assert!(claims.take(Needs::Everything, 0, Duration::ZERO).is_none());
        drop((first, second));
        assert_eq!(claims.take(Needs::Everything, 0, Duration::ZERO).unwrap().nodes(), [0, 1]);
        assert!(claims.try_take(2).is_some());
    }
}
