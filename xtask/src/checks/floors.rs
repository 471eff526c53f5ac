//! A crate depends only on crates of lower floors, and on no third party that belongs to another crate.

use toml::Table;

use crate::{finding::Finding, tree::Tree};

/// Each crate's folder, and which of our crates it may depend on. Crates below `tests/` may use all but `cli` and `xtask`.
const FLOORS: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("failpoint", &[]),
    ("runtime", &[]),
    ("proto", &["domain"]),
    ("storage", &["domain", "failpoint"]),
    ("policy", &["domain"]),
    ("node", &["domain", "failpoint", "policy", "proto", "runtime", "storage"]),
    ("router", &["domain", "failpoint", "policy", "proto", "runtime"]),
    ("client", &["domain", "proto"]),
    ("loadtest", &["client", "domain", "proto"]),
    ("cli", &["client", "domain", "failpoint", "loadtest", "node", "proto", "router", "runtime", "storage"]),
    ("xtask", &[]),
];

const TESTS: &[&str] = &[
    "checker",
    "client",
    "domain",
    "failpoint",
    "loadtest",
    "node",
    "policy",
    "proto",
    "router",
    "runtime",
    "storage",
    "tokens",
];

/// Third parties that only some crates may depend on (by the start of the name), and why.
const RESERVED: [(&str, &[&str], &str); 3] = [
    ("rocksdb", &["storage"], "storage is the sole user of rocksdb, so that the engine stays exchangeable"),
    ("openraft", &["node"], "node is the sole user of openraft, whose alphas break APIs"),
    ("anyhow", &["cli", "loadtest", "xtask"], "libraries have typed errors (thiserror)"),
];

/// All that the pure crates may depend on; ours are checked by `FLOORS`.
const PURE: [(&str, &[&str]); 2] = [("domain", &["bytes", "hmac", "sha2", "thiserror"]), ("policy", &["thiserror"])];

/// Checks every crate's manifest. Tests may use more third parties, but no higher floor either.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        Some((folder, path, text))
    });
    let mut findings = vec![];
    for (folder, path, text) in manifests {
        match text.parse::<Table>() {
            Ok(manifest) => findings.extend(check_manifest(folder, path, &manifest)),
            Err(error) => findings.push(Finding::file(path, error.to_string())),
        }
    }
    findings
}

fn check_manifest(folder: &str, path: &str, manifest: &Table) -> Vec<Finding> {
    let is_test = folder.starts_with("tests/");
    let Some(lower) =
        FLOORS.iter().find(|(name, _)| *name == folder).map(|(_, lower)| *lower).or(is_test.then_some(TESTS))
    else {
        return vec![Finding::file(path, "this crate has no floor: give it one in xtask/src/checks/floors.rs")];
    };
    let normal = names(manifest, "dependencies");
    let tests = names(manifest, "dev-dependencies");
    let mut findings = vec![];
    for name in normal.iter().chain(&tests) {
        if let Some(ours) = name.strip_prefix("hansard-")
            && !lower.contains(&ours)
        {
            let what = format!("{folder} must not depend on {ours}: it is not on a lower floor");
            findings.push(Finding::file(path, what));
        }
        for (start, users, why) in RESERVED {
            let in_tests = (is_test || !normal.contains(name)) && start == "anyhow";
            if name.starts_with(start) && !users.contains(&folder) && !in_tests {
                findings.push(Finding::file(path, format!("{folder} must not depend on {name}: {why}")));
            }
        }
    }
    for (_, allowed) in PURE.iter().filter(|(name, _)| *name == folder) {
        let foreign = normal.iter().filter(|name| !name.starts_with("hansard-") && !allowed.contains(&name.as_str()));
        findings.extend(foreign.map(|name| Finding::file(path, format!("{folder} is pure and does without {name}"))));
    }
    findings
}

fn names(manifest: &Table, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &str, manifest: &str) -> Vec<String> {
        let path = format!("{folder}/Cargo.toml");
        let findings = check(&Tree::of(&[(&path, manifest)]));
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn refuses_a_higher_floor_in_tests_too() {
        let found = found("router", "[dev-dependencies]\nhansard-node.workspace = true");
        assert_eq!(found, ["router must not depend on node: it is not on a lower floor"]);
    }

    #[test]
    fn refuses_what_belongs_to_another_crate() {
        assert!(found("node", "[dependencies]\nrocksdb = \"1\"")[0].starts_with("node must not depend on rocksdb"));
        assert!(found("storage", "[dependencies]\nopenraft = \"1\"")[0].contains("sole user"));
        assert!(found("client", "[dependencies]\nanyhow = \"1\"")[0].contains("typed errors"));
        assert_eq!(found("client", "[dev-dependencies]\nanyhow = \"1\""), [""; 0]);
    }

    #[test]
    fn keeps_the_pure_crates_pure() {
        assert_eq!(found("domain", "[dependencies]\nserde = \"1\""), ["domain is pure and does without serde"]);
        assert_eq!(found("domain", "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nproptest = \"1\""), [""; 0]);
    }

    #[test]
    fn test_crates_see_the_product_but_no_engine() {
        assert_eq!(found("tests/sim", "[dependencies]\nhansard-node = \"1\"\nanyhow = \"1\""), [""; 0]);
        assert!(found("tests/sim", "[dependencies]\nopenraft = \"1\"")[0].contains("sole user"));
    }

    #[test]
    fn every_crate_has_a_floor() {
        assert!(found("attic", "[package]\nname = \"attic\"")[0].contains("no floor"));
    }
}
