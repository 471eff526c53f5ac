//! The two requests to the kernel that have no command.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::ioctl::{Setter, ioctl};

/// EXT4_IOC_SHUTDOWN, and its flag for "without flushing the journal".
const SHUTDOWN: u32 = 0x8004_587d;
const NO_LOG_FLUSH: u32 = 2;

/// TUNSETIFF, and its flags for whole frames without a header of the driver's own.
const TUN_SET_INTERFACE: u32 = 0x4004_54ca;
const TAP_WITHOUT_HEADER: i16 = 0x0002 | 0x1000;

/// Stops a mounted filesystem as a power cut would: nothing more reaches its device, and what was not synced is gone.
pub(crate) fn cut_power(mounted: &Path) -> Result<()> {
    let directory = File::open(mounted)?;
    // SAFETY: the request reads a u32 behind the pointer, which is what is passed.
    #[expect(unsafe_code, reason = "a request to the kernel; nothing safe wraps it")]
    unsafe { ioctl(directory.as_fd(), Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }
        .with_context(|| format!("cutting the power of {}", mounted.display()))
}

/// What the kernel calls `struct ifreq`, as far as this request goes.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// The program's end of a TAP interface that exists.
pub(crate) fn open_tap(name: &str) -> Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; 16], flags: TAP_WITHOUT_HEADER, rest: [0; 22] };
    request.name.get_mut(..name.len()).context("the name is too long")?.copy_from_slice(name.as_bytes());
    // SAFETY: the request reads and writes a `struct ifreq` behind the pointer, and `Request` has its layout and size.
    #[expect(unsafe_code, reason = "a request to the kernel; nothing safe wraps it")]
    unsafe { ioctl(file.as_fd(), Setter::<TUN_SET_INTERFACE, Request>::new(request)) }
        .with_context(|| format!("attaching to {name}"))?;
    Ok(file)
}
