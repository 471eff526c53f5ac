//! Configuration in three layers: a TOML file, over it the environment, over it the flags. Every key is known by name
//! in all three; an unknown one is refused, because a misspelt setting is a setting that silently does not hold.
//!
//! The key `tls_cert` is `tls_cert = "…"` in the file, `HANSARD_TLS_CERT` in the environment and `--tls-cert` among the
//! flags. A [`Kind::Secret`] `x` can also be given as `x_file`, the path of a file that holds it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What every environment variable of ours begins with.
pub const ENV_PREFIX: &str = "HANSARD_";

/// How a key's text in the environment is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Flag,
    /// Items between commas.
    List,
    /// As it is; or, under the key's name with `_file` appended, the path of a file that holds it.
    Secret,
}

/// A key that a process knows.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file: lower case with underscores.
    pub name: &'static str,
    /// How it is read from the environment.
    pub kind: Kind,
}

impl Key {
    /// A key.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or unreadable.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{path} is not a TOML file: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// A key that nobody knows.
    #[error("unknown key {key:?} in {place}{}", hint(.near))]
    Unknown {
        /// The key.
        key: String,
        /// The file, or "the environment".
        place: String,
        /// The known key that looks most like it.
        near: Option<String>,
    },
    /// A value that cannot be read.
    #[error("{key} is {value:?} in the environment, which is no {wanted}")]
    Value {
        /// The variable.
        key: String,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The layers together make no configuration.
    #[error("the configuration is not complete: {0}")]
    Invalid(String),
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

/// Reads the layers. `environment` is usually [`std::env::vars`]; variables whose name after the prefix is among
/// `foreign` (lower case) belong to other parts of the program and are passed over, as are those that Kubernetes makes
/// for a Service. `flags` serializes to a map of keys, without those that were not given.
///
/// # Errors
/// [`ConfigError`] names the key, the place and what to do.
pub fn load<T: DeserializeOwned>(
    keys: &[Key],
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    foreign: &[&str],
    flags: &impl Serialize,
) -> Result<T, ConfigError> {
    let mut merged = Table::new();
    if let Some(path) = file {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), reason: error.to_string() })?;
        merge_file(&mut merged, keys, path, &text)?;
    }
    merge_environment(&mut merged, keys, environment, foreign)?;
    let flags = Table::try_from(flags).map_err(|error| ConfigError::Invalid(error.to_string()))?;
    merged.extend(flags);
    Value::Table(merged).try_into().map_err(|error: toml::de::Error| ConfigError::Invalid(error.message().to_owned()))
}

pub(crate) fn merge_file(merged: &mut Table, keys: &[Key], path: &Path, text: &str) -> Result<(), ConfigError> {
    let table: Table = toml::from_str(text)
        .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: error.to_string() })?;
    for (name, value) in table {
        let key = known(keys, &name).ok_or_else(|| unknown(keys, &name, &path.display().to_string()))?;
        let value = if name == key.name { value } else { read_secret(&value)? };
        merged.insert(key.name.to_owned(), value);
    }
    Ok(())
}

pub(crate) fn merge_environment(
    merged: &mut Table,
    keys: &[Key],
    environment: impl Iterator<Item = (String, String)>,
    foreign: &[&str],
) -> Result<(), ConfigError> {
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(ENV_PREFIX).map(str::to_ascii_lowercase) else {
            continue;
        };
        if foreign.contains(&name.as_str()) || is_service_link(&name) {
            continue;
        }
        let key = known(keys, &name).ok_or_else(|| unknown(keys, &name, "the environment"))?;
        let value =
            if name == key.name { parse(key.kind, &variable, &text)? } else { read_secret(&Value::String(text))? };
        merged.insert(key.name.to_owned(), value);
    }
    Ok(())
}

fn known<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.iter()
        .find(|key| key.name == name)
        .or_else(|| keys.iter().find(|key| key.kind == Kind::Secret && name.strip_suffix("_file") == Some(key.name)))
}

fn unknown(keys: &[Key], name: &str, place: &str) -> ConfigError {
    let near = keys.iter().map(|key| (distance(key.name, name), key.name)).min();
    let near = near.filter(|(distance, _)| *distance <= 3).map(|(_, name)| name.to_owned());
    ConfigError::Unknown { key: name.to_owned(), place: place.to_owned(), near }
}

fn read_secret(path: &Value) -> Result<Value, ConfigError> {
    let path = PathBuf::from(path.as_str().unwrap_or_default());
    let text = fs::read_to_string(&path).map_err(|error| ConfigError::Read { path, reason: error.to_string() })?;
    Ok(Value::String(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn parse(kind: Kind, variable: &str, text: &str) -> Result<Value, ConfigError> {
    let wrong = |wanted| ConfigError::Value { key: variable.to_owned(), value: text.to_owned(), wanted };
    Ok(match kind {
        Kind::Text | Kind::Secret => Value::String(text.to_owned()),
        Kind::Number => Value::Integer(text.trim().parse().map_err(|_| wrong("whole number"))?),
        Kind::Flag => Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
    })
}

/// Kubernetes gives every pod variables such as `HANSARD_NODE_SERVICE_HOST` and `HANSARD_NODE_PORT_7000_TCP` for a
/// Service named `hansard-node`.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_service_host")
        || name.contains("_service_port")
        || name.ends_with("_port")
        || (name.contains("_port_") && (name.contains("_tcp") || name.contains("_udp")))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const KEYS: [Key; 5] = [
        Key::new("listen", Kind::Text),
        Key::new("shards", Kind::Number),
        Key::new("plain", Kind::Flag),
        Key::new("seeds", Kind::List),
        Key::new("password", Kind::Secret),
    ];

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        listen: String,
        #[serde(default)]
        shards: u32,
        #[serde(default)]
        plain: bool,
        #[serde(default)]
        seeds: Vec<String>,
        #[serde(default)]
        password: String,
    }

    #[derive(Serialize, Default)]
    struct Flags {
        listen: Option<&'static str>,
        shards: Option<u32>,
    }

    fn read(file: &str, env: &[(&str, &str)], flags: &Flags) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hansard.toml");
        fs::write(&path, file).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&KEYS, Some(&path), env, &["token"], flags)
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let file = "listen = 'file:1'\nshards = 1\nplain = true\n";
        let env = [("HANSARD_SHARDS", "2"), ("HANSARD_SEEDS", "a:1, b:2"), ("HOME", "/"), ("HANSARD_TOKEN", "t")];
        let flags = Flags { listen: Some("flag:1"), shards: None };
        let config = read(file, &env, &flags).unwrap();
        assert_eq!(config.listen, "flag:1");
        assert_eq!(config.shards, 2);
        assert!(config.plain);
        assert_eq!(config.seeds, ["a:1", "b:2"]);
    }

    #[test]
    fn unknown_keys_are_refused_with_a_hint() {
        let error = read("listne = 'x'", &[], &Flags::default()).unwrap_err().to_string();
        assert!(error.contains("\"listne\"") && error.contains("did you mean \"listen\""), "{error}");
        let error = read("", &[("HANSARD_SHADRS", "1")], &Flags::default()).unwrap_err().to_string();
        assert!(error.contains("the environment") && error.contains("\"shards\""), "{error}");
    }

    #[test]
    fn what_kubernetes_adds_is_no_setting() {
        let env = [
            ("HANSARD_NODE_SERVICE_HOST", "10.0.0.1"),
            ("HANSARD_NODE_SERVICE_PORT_RPC", "7000"),
            ("HANSARD_NODE_PORT", "tcp://10.0.0.1:7000"),
            ("HANSARD_NODE_PORT_7000_TCP_ADDR", "10.0.0.1"),
        ];
        assert_eq!(read("listen = 'x'", &env, &Flags::default()).unwrap().listen, "x");
    }

    #[test]
    fn secrets_come_from_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "s3cret\n").unwrap();
        let path = path.to_str().unwrap();
        let by_env = read("listen = 'x'", &[("HANSARD_PASSWORD_FILE", path)], &Flags::default()).unwrap();
        assert_eq!(by_env.password, "s3cret");
        let by_file = read(&format!("listen = 'x'\npassword_file = '{path}'"), &[], &Flags::default()).unwrap();
        assert_eq!(by_file.password, "s3cret");
        let error = read("listen = 'x'\nlisten_file = 'y'", &[], &Flags::default()).unwrap_err();
        assert!(matches!(error, ConfigError::Unknown { .. }), "{error}");
    }

    #[test]
    fn bad_values_say_what_is_wanted() {
        let error = read("listen = 'x'", &[("HANSARD_SHARDS", "many")], &Flags::default()).unwrap_err().to_string();
        assert!(error.contains("HANSARD_SHARDS") && error.contains("whole number"), "{error}");
        let error = read("", &[], &Flags::default()).unwrap_err().to_string();
        assert!(error.contains("listen"), "{error}");
        assert!(matches!(read("listen", &[], &Flags::default()), Err(ConfigError::Syntax { .. })));
    }
}
