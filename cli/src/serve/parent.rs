//! Ending with the parent: standard input is a pipe whose other end only the parent holds, so its end of file means
//! that the parent is gone, however it went.

use std::io::Read;

/// Waits on a thread of its own until standard input ends.
pub(crate) fn gone() -> tokio::sync::oneshot::Receiver<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        wait();
        // Nobody waits any more: the process is ending anyway.
        let _ = sender.send(());
    });
    receiver
}

/// Ends this process at once when the parent is gone. No drain: with the parent all others end too, and being killed is
/// something that every process here must survive anyway.
pub(crate) fn exit_with_parent() {
    std::thread::spawn(|| {
        wait();
        std::process::exit(0);
    });
}

fn wait() {
    let mut bytes = [0; 64];
    let mut input = std::io::stdin().lock();
    while matches!(input.read(&mut bytes), Ok(read) if read > 0) {}
}
