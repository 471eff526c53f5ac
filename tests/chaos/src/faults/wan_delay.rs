//! A site moves far away: what goes in and out takes its time.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::Rng;

use super::{Fault, Kind, Lane, Outcome, sole};
use crate::claims::Needs;
use crate::host::network::{SITES, join, part, switch};
use crate::host::process::Process;
use crate::rig::Rig;

pub(super) const KIND: Kind = Kind {
    name: "wan_delay",
    lane: Lane::Disturb,
    needs: Needs::Line,
    seconds: 5..=15,
    draw: |dice, _| Box::new(WanDelay { delay_ms: dice.random_range(10..=120), carrier: None }),
};

struct WanDelay {
    delay_ms: u64,
    carrier: Option<Process>,
}

impl Fault for WanDelay {
    fn install(&mut self, rig: &Rig, sites: &[usize]) -> Result<Outcome> {
        let site = sole(sites)?;
        let [far, near] = part(site)?;
        let program = std::env::current_exe()?.display().to_string();
        let delay = self.delay_ms.to_string();
        let carrier = Process {
            namespace: switch(),
            command: [&*program, "carry", "--delay-ms", &delay, &far, &near].map(str::to_owned).to_vec(),
            environment: vec![],
            cgroups: vec![],
            log: rig.paths.logs.join("carrier.log"),
            child: None.into(),
        };
        carrier.start()?;
        self.carrier = Some(carrier);
        let slot = rig.slots.iter().find(|slot| slot.site == site).context("a site has nodes")?;
        // The first try may wait for bridges to learn the new way.
        let tries = (0..3).map(|_| round_trip(&slot.address)).collect::<Result<Vec<Duration>>>()?;
        let took = tries.into_iter().min().unwrap_or_default();
        let what = format!("{}: {} ms each way; connecting took {took:?}", SITES[site], self.delay_ms);
        let took_hold = took >= Duration::from_millis(2 * self.delay_ms);
        Ok(if took_hold { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn undo(&mut self, _: &Rig, sites: &[usize]) -> Result<()> {
        let joined = join(sole(sites)?);
        if let Some(carrier) = self.carrier.take() {
            carrier.kill()?;
        }
        joined
    }
}

/// How long it takes to be answered, if only by a refusal.
fn round_trip(address: &str) -> Result<Duration> {
    let before = Instant::now();
    // Nobody need listen: the refusal comes as far.
    let _ = TcpStream::connect_timeout(&format!("{address}:7401").parse()?, Duration::from_secs(3));
    Ok(before.elapsed())
}
