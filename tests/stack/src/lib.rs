//! The whole stack in one process: nodes and routers as the binary runs them, on loopback, with a network whose distances
//! a test can set.

pub mod distance;
