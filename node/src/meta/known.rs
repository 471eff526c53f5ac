//! Nodes that this one has heard of, and when: what it can say before meta's rows tell, and who is reachable.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{lock::Mutex, raft::NodeInfo};

/// Nodes remembered; beyond any cluster, and a bound for what strangers can make us keep.
const KNOWN: usize = 1_024;

/// See the module.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<u64, (NodeInfo, Option<Instant>)>>);

impl Known {
    /// Heard of a node.
    pub(crate) fn note(&self, node: NodeInfo) {
        let mut known = self.0.lock();
        if node.id == 0 || (known.len() >= KNOWN && !known.contains_key(&node.id)) {
            return;
        }
        let heard = known.get(&node.id).and_then(|(_, heard)| *heard);
        known.insert(node.id, (node, heard));
    }

    /// Heard from a node.
    pub(crate) fn heard(&self, id: u64) {
        if let Some((_, heard)) = self.0.lock().get_mut(&id) {
            *heard = Some(Instant::now());
        }
    }

    /// Whether a node was heard from so recently.
    pub(crate) fn heard_within(&self, id: u64, time: Duration) -> bool {
        let heard = self.0.lock().get(&id).and_then(|(_, heard)| *heard);
        heard.is_some_and(|heard| heard.elapsed() <= time)
    }

    /// A node's identity.
    pub(crate) fn get(&self, id: u64) -> Option<NodeInfo> {
        self.0.lock().get(&id).map(|(node, _)| node.clone())
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<NodeInfo> {
        self.0.lock().values().map(|(node, _)| node.clone()).collect()
    }
}
