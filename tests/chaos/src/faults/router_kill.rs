//! A router's process is killed: its clients go to another one, with the same request ids.

use anyhow::Result;
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "router_kill",
    lane: Lane::Disturb,
    needs: Needs::Nothing,
    seconds: 0..=6,
    draw: |dice, _| Box::new(RouterKill { pick: dice.random() }),
};

struct RouterKill {
    pick: u32,
}

impl RouterKill {
    fn number(&self, rig: &Rig) -> usize {
        self.pick as usize % rig.routers.len()
    }
}

impl Fault for RouterKill {
    fn install(&mut self, rig: &Rig, _: &[usize]) -> Result<Outcome> {
        rig.routers[self.number(rig)].kill()?;
        Ok(Outcome::Installed(format!("router{}", self.number(rig))))
    }

    fn undo(&mut self, rig: &Rig, _: &[usize]) -> Result<()> {
        rig.routers[self.number(rig)].start()
    }
}
