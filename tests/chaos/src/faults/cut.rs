//! What the faults of the network's filter share.

use std::time::Duration;

use anyhow::Result;

use super::Outcome;
use crate::host::network::{Filter, dropped, filter, unfilter};
use crate::rig::Rig;

/// Nodes and routers talk all the time: something is dropped so soon, or the filter does not work.
const TAKES_HOLD: Duration = Duration::from_secs(3);

/// Pairs of addresses under a filter.
pub(super) struct Cut {
    pub(super) filter: Filter,
    pub(super) pairs: Vec<(String, String)>,
}

impl Cut {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, pairs: vec![] }
    }

    /// Filters these pairs. The kernel lifts the filter after `seconds`, whatever becomes of this program.
    pub(super) fn install(
        &mut self,
        rig: &Rig,
        pairs: Vec<(String, String)>,
        seconds: u64,
        what: String,
    ) -> Result<Outcome> {
        let before = dropped(self.filter)?;
        filter(self.filter, &pairs, seconds + 1)?;
        self.pairs = pairs;
        let took_hold = rig.wait(TAKES_HOLD, || dropped(self.filter).is_ok_and(|now| now > before));
        Ok(if took_hold {
            Outcome::Installed(what)
        } else {
            Outcome::Indeterminate(format!("{what}: nothing dropped"))
        })
    }

    pub(super) fn undo(&mut self) {
        unfilter(self.filter, &self.pairs);
    }
}
