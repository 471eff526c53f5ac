//! What every Hansard process needs and no rule of the product depends on: the seams for clock, randomness and
//! network, configuration, telemetry, metrics, health and the drain signal.
//!
//! Nothing here knows a room, a shard or a message. `node`, `router`, `cli` and the simulations build on it.

pub mod clock;
pub mod config;
pub mod drain;
pub mod entropy;
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod metrics;
pub mod net;
pub mod panics;
pub mod telemetry;

pub use clock::{Clock, SystemClock};
pub use drain::{Drain, DrainTrigger, stop_signal};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use health::{Health, serve_health};
pub use metrics::Metrics;
