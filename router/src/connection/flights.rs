//! A session's proposals on their first way to a node: found by a number, without a search.

use tokio::time::Instant;
use tracing::Span;

use crate::proposal::Proposal;
use crate::session::Tag;
use crate::upstream::Ticket;

/// A proposal under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// What the client calls it.
    pub(super) tag: Tag,
    pub(super) proposal: Proposal,
    pub(super) started: Instant,
    pub(super) ticket: Ticket,
    /// From here until the answer; disabled while nothing is traced.
    pub(super) span: Span,
}

/// See the module. Bounded by what a session may have under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    places: Vec<Option<Flight>>,
    free: Vec<u32>,
}

impl Flights {
    /// A number for a proposal; it is to be put, or given back.
    pub(super) fn number(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        })
    }

    /// The proposal that the number is for.
    pub(super) fn put(&mut self, number: u32, flight: Flight) {
        self.places[number as usize] = Some(flight);
    }

    /// Takes the proposal, if there is one; the number may be used again.
    pub(super) fn take(&mut self, number: u32) -> Option<Flight> {
        self.free.push(number);
        self.places.get_mut(number as usize)?.take()
    }

    /// All that are under way.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Flight> {
        self.free.clear();
        self.places.drain(..).flatten()
    }
}
