//! Bugs that are planted on purpose stay out of what ships: only the simulation can ask for them.

use toml::Table;

use crate::{finding::Finding, tree::Tree};

const FEATURE: &str = "seeded-bugs";
/// Where the bugs are, and who may ask for them.
const ALLOWED: [(&str, &str); 2] =
    [("domain/Cargo.toml", "[]"), ("tests/sim/Cargo.toml", "[\"hansard-domain/seeded-bugs\"]")];
/// What ships, and the words by which it refuses to be built with them.
const SHIPS: (&str, &str) = ("cli/src/main.rs", "assert!(!hansard_domain::bug::PLANTED");

/// Checks every manifest, and the guard in what ships.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    let mut findings: Vec<Finding> = manifests.flat_map(|(path, text)| check_manifest(path, text)).collect();
    let (path, words) = SHIPS;
    if tree.get(path).is_some_and(|text| !text.contains(words)) {
        findings.push(Finding::file(path, format!("`{words}` is missing: what ships must not hold planted bugs")));
    }
    findings
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    // What can't be read is a finding of another check.
    let Ok(mut manifest) = text.parse::<Table>() else { return vec![] };
    let features = manifest.get_mut("features").and_then(toml::Value::as_table_mut);
    let declared = features.and_then(|features| features.remove(FEATURE)).map(|value| value.to_string());
    let allowed = ALLOWED.iter().find(|(allowed, _)| *allowed == path).map(|(_, value)| (*value).to_owned());
    let mut findings = vec![];
    if declared.is_some() && declared != allowed {
        findings.push(Finding::file(path, format!("only the simulation may have the feature {FEATURE}")));
    }
    if manifest.to_string().contains(FEATURE) {
        findings.push(Finding::file(path, format!("nothing may turn the feature {FEATURE} on by itself")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> usize {
        check(&Tree::of(files)).len()
    }

    #[test]
    fn only_the_simulation_may_ask_and_nothing_asks_by_itself() {
        let domain = "[features]\nseeded-bugs = []";
        let sim = "[features]\nseeded-bugs = [\"hansard-domain/seeded-bugs\"]";
        assert_eq!(found(&[("domain/Cargo.toml", domain), ("tests/sim/Cargo.toml", sim)]), 0);
        assert_eq!(found(&[("node/Cargo.toml", domain)]), 1);
        assert_eq!(found(&[("domain/Cargo.toml", "[features]\ndefault = [\"seeded-bugs\"]\nseeded-bugs = []")]), 1);
        let asks = "[dependencies]\nhansard-domain = { workspace = true, features = [\"seeded-bugs\"] }";
        assert_eq!(found(&[("cli/Cargo.toml", asks)]), 1);
    }

    #[test]
    fn what_ships_refuses_them() {
        assert_eq!(found(&[("cli/src/main.rs", "const _: () = assert!(!hansard_domain::bug::PLANTED);")]), 0);
        assert_eq!(found(&[("cli/src/main.rs", "fn main() {}")]), 1);
    }
}
