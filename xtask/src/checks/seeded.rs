//! What is compiled for tests alone stays out of what ships: bugs that are planted on purpose, and fail points.

use crate::{finding::Finding, tree::Tree};

/// How manifests name the features of tests.
const NAMED: [&str; 4] = ["seeded-bugs", "\"failpoints\"", "fail/failpoints", "hansard-failpoint/failpoints"];
/// Where they are, and who may ask for them: the only lines of manifests that may name them. Nothing has them by default.
const ALLOWED: [(&str, &str); 4] = [
    ("domain/Cargo.toml", "seeded-bugs = []"),
    ("tests/sim/Cargo.toml", "seeded-bugs = [\"hansard-domain/seeded-bugs\"]"),
    ("failpoint/Cargo.toml", "failpoints = [\"fail/failpoints\"]"),
    ("cli/Cargo.toml", "failpoints = [\"hansard-failpoint/failpoints\"]"),
];
/// What ships, and the words by which it refuses to be built with them.
const SHIPS: (&str, &str) = ("cli/src/main.rs", "assert!(!hansard_domain::bug::PLANTED");

/// Checks every manifest, and the guard in what ships.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = vec![];
    for (path, text) in tree.files.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        for (index, line) in text.lines().enumerate() {
            if NAMED.iter().any(|name| line.contains(name)) && !ALLOWED.contains(&(path, line.trim())) {
                let what = "only tests may ask for planted bugs and fail points, as xtask/src/checks/seeded.rs lists";
                findings.push(Finding::at(path, index + 1, what));
            }
        }
    }
    let (path, words) = SHIPS;
    if tree.get(path).is_some_and(|text| !text.contains(words)) {
        findings.push(Finding::file(path, format!("`{words}` is missing: what ships must not hold planted bugs")));
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
    fn nobody_has_fail_points_by_default() {
        let cli = "[features]\nfailpoints = [\"hansard-failpoint/failpoints\"]";
        assert_eq!(found(&[("cli/Cargo.toml", cli)]), 0);
        assert_eq!(found(&[("cli/Cargo.toml", "[features]\ndefault = [\"failpoints\"]")]), 1);
        assert_eq!(found(&[("node/Cargo.toml", cli)]), 1);
    }

    #[test]
    fn what_ships_refuses_them() {
        assert_eq!(found(&[("cli/src/main.rs", "const _: () = assert!(!hansard_domain::bug::PLANTED);")]), 0);
        assert_eq!(found(&[("cli/src/main.rs", "fn main() {}")]), 1);
    }
}
