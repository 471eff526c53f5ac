//! Tidiness is a test: what reviewers would otherwise have to remember, checked over the whole tree.
//!
//! `cargo run --release -p xtask` prints what it finds; `cargo test --release -p xtask` fails on it.

pub mod checks;
pub mod finding;
pub mod source;
pub mod tree;
