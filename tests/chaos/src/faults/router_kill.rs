//! A router's process is killed: its clients go to another one, with the same request ids.

use anyhow::Result;

use super::{Fault, Kind, Lane, Outcome, sole};
use crate::claims::Needs;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "router_kill",
    lane: Lane::Disturb,
    needs: Needs::Router,
    seconds: 0..=6,
    draw: |_, _| Box::new(RouterKill),
};

struct RouterKill;

impl Fault for RouterKill {
    fn install(&mut self, rig: &Rig, routers: &[usize]) -> Result<Outcome> {
        let router = sole(routers)?;
        rig.routers[router].kill()?;
        Ok(Outcome::Installed(format!("router{router}")))
    }

    fn undo(&mut self, rig: &Rig, routers: &[usize]) -> Result<()> {
        rig.routers[sole(routers)?].start()
    }
}
