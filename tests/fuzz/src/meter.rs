//! Counts the bytes that a thread has allocated, so that a reader which believes a length is seen at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Metered;

#[global_allocator]
static METERED: Metered = Metered;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Threads that end free what is theirs after their counters are gone.
fn grow(bytes: usize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// What was allocated before the measure began may be freed in it.
fn shrink(bytes: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(bytes)));
}

#[expect(unsafe_code, reason = "an allocator is unsafe by contract; this one hands everything on to the system's")]
unsafe impl GlobalAlloc for Metered {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size);
        shrink(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `work` gives, and the most bytes that were live at once beyond those from before.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LIVE.set(0);
    PEAK.set(0);
    let done = work();
    (done, PEAK.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_the_largest_need_and_not_the_sum() {
        let (kept, peak) = measure(|| {
            drop(vec![0_u8; 10_000]);
            vec![0_u8; 3_000]
        });
        assert_eq!((kept.len(), peak), (3_000, 10_000));
        let (_, peak) = measure(|| Vec::<u64>::with_capacity(1 << 20));
        assert_eq!(peak, 8 << 20, "what was never touched counts too");
    }
}
