//! The people of a development cluster: alice, who may operate it, and bob.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::files;
use super::layout::Layout;
use super::ports::Ports;
use crate::exit::Failure;
use crate::token::{AUDIENCE, DEV_ISSUER, Grant, SigningKey, issue, now_s};

/// Who gets a token at every start, and whether they are operators.
const PEOPLE: [(&str, bool); 2] = [("alice", true), ("bob", false)];
/// How long those tokens hold.
const TTL: Duration = Duration::from_secs(30 * 86_400);

/// Makes the signing key and the JWKS on the first start, and new tokens on each; they are kept beside the key.
pub(super) fn issue_tokens(layout: &Layout) -> Result<BTreeMap<String, String>> {
    let key = SigningKey::load_or_create(&layout.signing_key())?;
    files::write(&layout.jwks(), &serde_json::to_vec_pretty(&key.jwks())?)?;
    let mut tokens = BTreeMap::new();
    for (subject, operator) in PEOPLE {
        let grant = Grant { issuer: DEV_ISSUER, audience: AUDIENCE, subject, operator, ttl: TTL };
        let token = issue(&key, &grant, now_s())?.text;
        files::write_private(&layout.token(subject), token.as_bytes())?;
        tokens.insert(subject.to_owned(), token);
    }
    Ok(tokens)
}

/// Shell lines that set a person's routers and token, and the way to this program where the shell does not know it.
/// Everybody has all routers, but not the same one first.
pub(super) fn environment(data: &Path, person: &str) -> Result<String> {
    let layout = Layout::new(data);
    let token = std::fs::read_to_string(layout.token(person)).map_err(|_| {
        Failure::not_found(format!(
            "{} has no token for {person:?}; there are alice and bob once `hansard dev` has run, and `hansard token \
             issue` makes others",
            layout.dev().display()
        ))
    })?;
    let ports = std::fs::read(layout.ports()).with_context(|| format!("cannot read {}", layout.ports().display()))?;
    let ports: Ports = serde_json::from_slice(&ports)?;
    let first = PEOPLE.iter().position(|(name, _)| *name == person).unwrap_or(0);
    let mut lines = format!(
        "export HANSARD_ROUTER='{}'\nexport HANSARD_TOKEN='{}'\n",
        routers(&ports, first).join(","),
        token.trim()
    );
    if let Some(directory) = unknown_directory() {
        lines.push_str(&format!("export PATH='{directory}':\"$PATH\"\n"));
    }
    Ok(lines)
}

fn routers(ports: &Ports, first: usize) -> Vec<String> {
    let urls = ports.iter().filter(|(name, _)| name.starts_with("router")).filter_map(|(name, of)| {
        let ordinal: u32 = name.trim_start_matches("router").parse().ok()?;
        Some((ordinal, format!("http://127.0.0.1:{}", of.get("grpc")?)))
    });
    let mut urls: Vec<(u32, String)> = urls.collect();
    urls.sort();
    let turn = first % urls.len().max(1);
    urls.rotate_left(turn);
    urls.into_iter().map(|(_, url)| url).collect()
}

/// The directory of this program, if the shell would not find it by name.
pub(super) fn unknown_directory() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = std::env::split_paths(&path).any(|entry| entry == directory);
    (!known).then(|| directory.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_gets_all_routers_their_own_first() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        assert!(environment(directory.path(), "alice").unwrap_err().to_string().contains("alice"));
        files::private_directory(&layout.dev()).unwrap();
        let tokens = issue_tokens(&layout).unwrap();
        let ports = r#"{"node1":{"rpc":1},"router1":{"grpc":11},"router10":{"grpc":13},"router2":{"grpc":12}}"#;
        std::fs::write(layout.ports(), ports).unwrap();
        let lines = environment(directory.path(), "bob").unwrap();
        let wanted = "HANSARD_ROUTER='http://127.0.0.1:12,http://127.0.0.1:13,http://127.0.0.1:11'";
        assert!(lines.contains(wanted), "{lines}");
        assert!(lines.contains(&format!("HANSARD_TOKEN='{}'", tokens["bob"])), "{lines}");
    }
}
