//! A mutex that cannot be poisoned: a panic while one is held ends the process's trust in that state anyway, since every
//! task that panics while it changes shared state is a fault that the supervisor of the process must see.

use std::sync::{self, MutexGuard};

/// See the module. Never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no task panics while it holds a lock")
    }
}
