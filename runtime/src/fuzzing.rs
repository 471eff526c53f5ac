//! For `tests/fuzz`, not part of the library's interface: readers of text that are private to the crate.

use std::path::Path;

use toml::Table;

use crate::config::{ConfigError, Key, merge_environment, merge_file};
use crate::telemetry::propagation;

/// The keys that a configuration file sets.
///
/// # Errors
/// The reader's, here and below.
pub fn config_file(keys: &[Key], text: &str) -> Result<Vec<String>, ConfigError> {
    let mut merged = Table::new();
    merge_file(&mut merged, keys, Path::new("hansard.toml"), text)?;
    Ok(merged.keys().cloned().collect())
}

/// The keys that variables of the environment set.
pub fn config_environment(
    keys: &[Key],
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<String>, ConfigError> {
    let mut merged = Table::new();
    merge_environment(&mut merged, keys, variables, &[])?;
    Ok(merged.keys().cloned().collect())
}

/// A `traceparent` as it is handed on; none if it cannot be read.
pub fn traceparent(text: &str) -> Option<String> {
    propagation::parse(text).map(|context| propagation::write(&context))
}
