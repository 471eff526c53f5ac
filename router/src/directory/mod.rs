//! Where rooms are, who leads what, who is revoked, and how fresh that is.

mod state;
#[cfg(test)]
mod tests;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hansard_domain::{ClusterId, NodeId, PersonId};
use hansard_proto::cluster::v1 as edge;
use hansard_proto::rpc::Status;
use tokio::time::Instant;

pub(crate) use state::{Changes, Route, State, Target};

use crate::{reason, refuse};

/// The router's one directory.
#[derive(Debug, Default)]
pub(crate) struct Directory(RwLock<State>);

impl Directory {
    /// See [`State::joined`].
    pub(crate) fn joined(&self, cluster: ClusterId) -> bool {
        self.write(|state| state.joined(cluster))
    }

    /// See [`State::merge`].
    pub(crate) fn merge(&self, message: edge::Directory, first: bool) -> Changes {
        self.write(|state| state.merge(message, first, Instant::now()))
    }

    /// See [`State::route`].
    pub(crate) fn route(&self, target: Target) -> Option<Route> {
        self.read().route(target)
    }

    /// See [`State::voters_at`].
    pub(crate) fn voters_at(&self, target: Target, site: &str) -> Vec<NodeId> {
        self.read().voters_at(target, site)
    }

    /// The cluster.
    ///
    /// # Errors
    /// When no node has been reached yet.
    pub(crate) fn cluster(&self) -> Result<ClusterId, Status> {
        let unknown = || refuse::unavailable(reason::DIRECTORY_STALE, "this router has not reached the cluster yet");
        self.read().cluster().ok_or_else(unknown)
    }

    /// How many shards there are, without meta.
    pub(crate) fn shards(&self) -> usize {
        self.read().shards()
    }

    /// Addresses of the nodes.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.read().nodes().iter().map(|node| node.address.clone()).collect()
    }

    /// Addresses of other routers than `own`.
    pub(crate) fn alternates(&self, own: &str) -> Vec<String> {
        self.read().routers().iter().filter(|router| *router != own).cloned().collect()
    }

    /// Whether people may be admitted.
    ///
    /// # Errors
    /// When news of revocations is too old.
    pub(crate) fn check_fresh(&self) -> Result<(), Status> {
        if self.read().admits(Instant::now()) {
            return Ok(());
        }
        let text = "this router has had no sure news of revocations for 10 s, so it admits nobody; try another router";
        Err(refuse::unavailable(reason::DIRECTORY_STALE, text))
    }

    /// Whether sessions must be closed.
    pub(crate) fn is_dead(&self) -> bool {
        self.read().is_dead(Instant::now())
    }

    /// How old the newest sure news is, seconds; a day if there never was any.
    pub(crate) fn age_s(&self) -> f64 {
        self.read().age(Instant::now()).map_or(86_400.0, |age| age.as_secs_f64())
    }

    /// See [`State::token_revoked`].
    pub(crate) fn token_revoked(&self, token_id: &str) -> bool {
        self.read().token_revoked(token_id)
    }

    /// See [`State::person_revoked`].
    pub(crate) fn person_revoked(&self, person: PersonId) -> (i64, u64) {
        self.read().person_revoked(person)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}
