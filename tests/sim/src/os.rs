//! The operating system's dice and clocks, under the seed.
//!
//! The product takes time and randomness through its seams; what lies below does not: hash maps seed themselves, openraft
//! draws its election timeouts from `rand::rng`, HTTP/2 stamps dates. This process therefore answers `getrandom` and
//! `clock_gettime` itself once [`seize`] was called.
#![allow(unsafe_code, unreachable_pub)]

use std::{
    ffi::{c_int, c_long, c_uint, c_void},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// 2026-01-01T00:00:00Z: when simulations begin, seconds since the Unix epoch.
pub(crate) const EPOCH_S: u64 = 1_767_225_600;

const CLOCK_REALTIME: c_int = 0;
const NANOS: u64 = 1_000_000_000;
/// Monotonic clocks begin in the kernel's past: a thread that waits until one of their times does not wait at all.
const UPTIME_S: u64 = 1;

#[cfg(target_arch = "x86_64")]
const SYS: (c_long, c_long) = (318, 228);
#[cfg(target_arch = "aarch64")]
const SYS: (c_long, c_long) = (278, 113);

static SEIZED: AtomicBool = AtomicBool::new(false);
static DICE: AtomicU64 = AtomicU64::new(0);
static ELAPSED_NS: AtomicU64 = AtomicU64::new(0);

/// `struct timespec`.
#[repr(C)]
pub(crate) struct Timespec {
    seconds: c_long,
    nanos: c_long,
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// From now on the process's dice and clocks follow the seed. Threads that drew dice before keep what they drew: run the
/// simulation in a new one.
pub(crate) fn seize(seed: u64) {
    DICE.store(seed, Ordering::SeqCst);
    SEIZED.store(true, Ordering::SeqCst);
}

/// Moves the clocks on.
pub(crate) fn set_elapsed(elapsed: Duration) {
    ELAPSED_NS.store(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
}

/// How far the clocks have moved.
pub(crate) fn elapsed() -> Duration {
    Duration::from_nanos(ELAPSED_NS.load(Ordering::SeqCst))
}

/// splitmix64.
fn roll() -> u64 {
    let mut z = DICE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// See getrandom(2).
///
/// # Safety
/// `buffer` holds `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    if !SEIZED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is the kernel's condition.
        return unsafe { syscall(SYS.0, buffer, length, flags) as isize };
    }
    // SAFETY: by the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&roll().to_ne_bytes()[..chunk.len()]);
    }
    length as isize
}

/// See clock_gettime(2).
///
/// # Safety
/// `time` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    if !SEIZED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is the kernel's condition.
        return unsafe { syscall(SYS.1, clock as c_long, time) as c_int };
    }
    let elapsed = ELAPSED_NS.load(Ordering::SeqCst);
    let start = if clock == CLOCK_REALTIME { EPOCH_S } else { UPTIME_S };
    let now = Timespec { seconds: (start + elapsed / NANOS) as c_long, nanos: (elapsed % NANOS) as c_long };
    // SAFETY: by the caller's promise.
    unsafe { time.write(now) };
    0
}
