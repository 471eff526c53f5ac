//! Nodes that this one has heard of, and when: what it can say before meta's rows tell, and who is reachable.

use std::{collections::BTreeMap, time::Duration};

use hansard_domain::ShardId;
use tokio::time::Instant;

use crate::{lock::Mutex, raft::NodeInfo};

/// Nodes remembered; beyond any cluster, and a bound for what strangers can make us keep.
const KNOWN: usize = 1_024;

/// See the module.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<u64, One>>);

/// A node that was heard of.
struct One {
    info: NodeInfo,
    heard: Option<Instant>,
    told: Told,
}

/// What a node says of itself when it is greeted.
#[derive(Default)]
pub(crate) struct Told {
    /// Its disk is nearly full.
    pub(crate) full: bool,
    /// The shards that it leads, and in which terms.
    pub(crate) leads: Vec<(ShardId, u64)>,
}

impl Known {
    /// Heard of a node.
    pub(crate) fn note(&self, node: NodeInfo) {
        let mut known = self.0.lock();
        if let Some(one) = known.get_mut(&node.id) {
            one.info = node;
        } else if node.id != 0 && known.len() < KNOWN {
            known.insert(node.id, One { info: node, heard: None, told: Told::default() });
        }
    }

    /// Heard from a node.
    pub(crate) fn heard(&self, id: u64) {
        if let Some(one) = self.0.lock().get_mut(&id) {
            one.heard = Some(Instant::now());
        }
    }

    /// A node has answered.
    pub(crate) fn told(&self, id: u64, told: Told) {
        if let Some(one) = self.0.lock().get_mut(&id) {
            one.told = told;
        }
    }

    /// Whether a node's disk is nearly full, by its last answer.
    pub(crate) fn is_full(&self, id: u64) -> bool {
        self.0.lock().get(&id).is_some_and(|one| one.told.full)
    }

    /// What a node leads, by its last answer.
    pub(crate) fn leads(&self, id: u64) -> Vec<(ShardId, u64)> {
        self.0.lock().get(&id).map(|one| one.told.leads.clone()).unwrap_or_default()
    }

    /// Whether a node was heard from so recently.
    pub(crate) fn heard_within(&self, id: u64, time: Duration) -> bool {
        let heard = self.0.lock().get(&id).and_then(|one| one.heard);
        heard.is_some_and(|heard| heard.elapsed() <= time)
    }

    /// A node's identity.
    pub(crate) fn get(&self, id: u64) -> Option<NodeInfo> {
        self.0.lock().get(&id).map(|one| one.info.clone())
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<NodeInfo> {
        self.0.lock().values().map(|one| one.info.clone()).collect()
    }
}
