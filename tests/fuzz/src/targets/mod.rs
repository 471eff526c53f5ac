//! All targets, by where their bytes come from.

mod client;
mod cluster;
mod config;
mod damage;
mod domain;
mod history;
mod json;
mod router;
mod rows;
mod storage;
mod text;
mod token;

use crate::target::Target;

/// All of them.
pub fn all() -> Vec<Target> {
    [
        &client::TARGETS[..],
        &json::TARGETS,
        &token::TARGETS,
        &router::TARGETS,
        &text::TARGETS,
        &cluster::TARGETS,
        &domain::TARGETS,
        &rows::TARGETS,
        &storage::TARGETS,
        &damage::TARGETS,
        &config::TARGETS,
        &history::TARGETS,
    ]
    .concat()
}
