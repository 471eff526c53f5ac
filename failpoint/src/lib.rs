//! Fail points: a place at every durable step and at every ack, where a test can crash the process, have the step fail, or hold
//! the ack back.
//!
//! Without the feature `failpoints`, which only `make failpoints` asks for, [`pass`] and [`io`] are empty and nothing of the points
//! is compiled. With it a process reads from a file what is to happen where; see [`listen`]. [`Point`] lists them all, so that a
//! test can prove that each was fired.

#[cfg(feature = "failpoints")]
mod armed;
mod points;

#[cfg(feature = "failpoints")]
pub use armed::{io, listen, pass};
pub use points::{Kind, Point};

/// Whether this build has the points. What ships has not.
pub const COMPILED: bool = cfg!(feature = "failpoints");

/// Where [`listen`] finds the file's path.
pub const CONTROL: &str = "FAILPOINTS_CONTROL";

/// The process passes a point at which nothing can fail.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_: Point) {}

/// The process passes a point at which a step is about to be done that can fail.
///
/// # Errors
/// The step is to fail.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn io(_: Point) -> std::io::Result<()> {
    Ok(())
}
