//! Feeds every reader of bytes from outside a process with inputs that are nearly right: valid ones, mutated by what knows
//! their structure. Each reader is a [`Target`] with a law that is more than "does not panic": what is read is written back
//! as it was, or the same from then on; what is refused is refused by a typed error; and neither takes more memory than
//! the input warrants.
//!
//! An input is drawn from a seed, the target's name and a number, and from nothing else: the same three give the same bytes.

#![warn(missing_docs)]

mod corpus;
mod law;
mod meter;
mod mutate;
mod rng;
mod run;
mod shrink;
mod target;
pub mod targets;

pub use run::{Found, Prepared, Tally, Trouble};
pub use target::{Allowance, Seen, Shape, Target, Verdict};
