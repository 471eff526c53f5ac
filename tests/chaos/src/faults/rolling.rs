//! All nodes are restarted in order, one after the other, as for an upgrade.

use std::time::Duration;

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::rig::Rig;
use crate::slot::STOP;

pub(super) const KIND: Kind = Kind {
    name: "rolling",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 0..=0,
    draw: |_, _| Box::new(Rolling),
};

/// How long another fault may have its hands on a node before that one is left out.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a node gets to come up before the next one goes.
const PAUSE: Duration = Duration::from_millis(1_500);

struct Rolling;

impl Fault for Rolling {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        let mut restarted = 0;
        for slot in rig.slots.iter().filter(|slot| rig.claims.serves(slot.number)) {
            let Some(_hands) = rig.claims.take_node(slot.number, PATIENCE) else { continue };
            let stopped = slot.process.stop(STOP);
            slot.process.start()?;
            stopped?;
            restarted += 1;
            rig.sleep(PAUSE);
        }
        Ok(match restarted {
            0 => Outcome::Indeterminate("all nodes were in other hands".to_owned()),
            _ => Outcome::Installed(format!("{restarted} nodes")),
        })
    }

    fn undo(&mut self, _: &Rig, _: &[usize]) -> Result<()> {
        Ok(())
    }
}
