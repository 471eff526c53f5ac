//! Threads that read rows for async code.
//!
//! A read may wait for the disk, so no thread of the runtime may run it. To have the runtime's thread replaced for each read
//! (`block_in_place`) wakes another one each time; where they wake late, as on a busy machine, readers who were confirmed
//! together had two hundred threads made, and those kept a gigabyte.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, oneshot};

/// Reads at a time, of all shards: so many keep a disk busy.
const THREADS: usize = 8;

/// Reads that are under way or wait for a thread; who comes then waits for a place.
const PLACES: usize = 5 * THREADS;

type Read = Box<dyn FnOnce() + Send>;

/// A node's readers. They end with their last user.
pub(super) struct Readers {
    /// None in a single-threaded runtime, which is a simulation's: there reads run in line, so that it stays deterministic.
    reads: Option<mpsc::SyncSender<Read>>,
    places: Arc<Semaphore>,
}

impl Readers {
    /// Threads, for the runtime that this is called in.
    pub(super) fn start() -> Arc<Readers> {
        let threaded = Handle::try_current().is_ok_and(|now| now.runtime_flavor() != RuntimeFlavor::CurrentThread);
        Arc::new(Readers { reads: threaded.then(threads), places: Arc::new(Semaphore::new(PLACES)) })
    }

    /// Runs a read when its turn comes. `None`: it panicked.
    pub(super) async fn run<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let Some(reads) = &self.reads else { return Some(read()) };
        let place = self.places.clone().acquire_owned().await.expect("it is never closed");
        let (tell, told) = oneshot::channel();
        let job = move || {
            // Who no longer waits does not hear it.
            let _ = tell.send(read());
            drop(place);
        };
        reads.try_send(Box::new(job)).expect("whoever has a place finds room, and the threads outlive the sender");
        told.await.ok()
    }
}

fn threads() -> mpsc::SyncSender<Read> {
    let (reads, queue) = mpsc::sync_channel::<Read>(PLACES);
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..THREADS {
        let queue = queue.clone();
        let work = move || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(read) = next else { return };
                // Its thread serves others, too.
                let _ = catch_unwind(AssertUnwindSafe(read));
            }
        };
        std::thread::Builder::new().name("row-reader".to_owned()).spawn(work).expect("a node has a few threads");
    }
    reads
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_readers_share_few_threads_and_hold_up_nobody() {
        let (readers, gate) = (Readers::start(), Arc::new(Semaphore::new(0)));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handle = Handle::current();
        let reads = join_all((0..200).map(|number| {
            let (now, most, gate, handle) = (now.clone(), most.clone(), gate.clone(), handle.clone());
            readers.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                handle.block_on(gate.acquire()).expect("it is not closed").forget();
                now.fetch_sub(1, Ordering::SeqCst);
                number
            })
        }));
        let open = async {
            // The runtime goes on while all threads wait: else this would not run.
            while now.load(Ordering::SeqCst) < THREADS {
                tokio::task::yield_now().await;
            }
            gate.add_permits(200);
        };
        let (answers, ()) = tokio::join!(reads, open);
        assert_eq!(answers, (0..200).map(Some).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), THREADS);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_gives_up_gives_its_place_back_and_a_panic_is_told() {
        let readers = Readers::start();
        for _ in 0..3 * PLACES {
            let given_up = readers.run(|| std::thread::sleep(std::time::Duration::from_millis(1)));
            let _ = tokio::time::timeout(std::time::Duration::ZERO, given_up).await;
            tokio::task::yield_now().await;
        }
        for _ in 0..2 * THREADS {
            assert_eq!(readers.run(|| panic!("a read that is wrong")).await, None::<()>);
        }
        assert_eq!(readers.run(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn a_simulation_reads_in_line() {
        let here = std::thread::current().id();
        assert_eq!(Readers::start().run(move || std::thread::current().id()).await, Some(here));
    }
}
