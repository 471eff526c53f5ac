//! Stopping: one signal, heard by every task, and the operating system's request for it.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The end that starts the drain. Dropping it starts the drain too, so that no task outlives its owner unheard.
#[derive(Debug)]
pub struct DrainTrigger(watch::Sender<bool>);

/// The end that hears of the drain; clone it into every task.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

/// A connected pair.
pub fn drain() -> (DrainTrigger, Drain) {
    let (sender, receiver) = watch::channel(false);
    (DrainTrigger(sender), Drain(receiver))
}

impl DrainTrigger {
    /// Starts the drain; later calls change nothing.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Another listener.
    pub fn subscribe(&self) -> Drain {
        Drain(self.0.subscribe())
    }
}

impl Drop for DrainTrigger {
    fn drop(&mut self) {
        self.start();
    }
}

impl Drain {
    /// Whether the drain has begun.
    pub fn started(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the drain has begun. Cancel safe.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which is a drain as well.
        let _ = self.0.wait_for(|started| *started).await;
    }

    /// [`Drain::wait`] as a future that owns its listener, for `serve_with_shutdown` and the like.
    pub async fn started_owned(mut self) {
        self.wait().await;
    }
}

/// Returns the name of the first SIGTERM, SIGINT or SIGHUP that this process gets.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hangup.recv() => "SIGHUP",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_listener_hears_it_once_begun() {
        let (trigger, mut early) = drain();
        assert!(!early.started());
        trigger.start();
        early.wait().await;
        let late = trigger.subscribe();
        assert!(late.started());
        late.started_owned().await;
    }

    #[tokio::test]
    async fn a_lost_trigger_counts_as_a_drain() {
        let (trigger, mut listener) = drain();
        drop(trigger);
        listener.wait().await;
        assert!(listener.started());
    }
}
