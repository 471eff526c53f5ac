//! Ctrl-C and its kin: the first ends the faults early, a second one drops the run.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks of those who wait for something else.
const GLANCE: Duration = Duration::from_millis(50);

/// Signals so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals(Arc<AtomicU32>);

impl Signals {
    /// Counts interrupts and terminations from now on; they end this process no more.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupts, mut terminations) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let count = signals.clone();
        std::thread::spawn(move || -> Infallible {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupts.recv() => {}
                        _ = terminations.recv() => {}
                    }
                    count.0.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Ok(signals)
    }

    /// Whether no more faults are to come: one signal. The run heals, checks, and has its verdict.
    pub(crate) fn ending(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether all is to be dropped: a second signal.
    pub(crate) fn stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }

    /// Does it, unless all is to be dropped first.
    pub(crate) async fn unless_dropped<T>(&self, what: impl Future<Output = Result<T>>) -> Result<T> {
        let dropped = async {
            while !self.stopping() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::select! {
            done = what => done,
            () = dropped => bail!("interrupted"),
        }
    }
}
