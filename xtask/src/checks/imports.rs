//! What manifests can't forbid: the pure crates touch no clock, file, socket, thread or environment.

use crate::{
    finding::Finding,
    source::{code_lines, has_word},
    tree::Tree,
};

/// Paths that the crate's sources must not name, and why.
const FORBIDDEN: [(&str, &[&str], &str); 5] = [
    (
        "domain/src/",
        &[
            "std::time", "std::fs", "std::net", "std::thread", "std::env", "std::process", "SystemTime", "Instant", "tokio",
            "tonic", "prost", "rand", "f32", "f64",
        ],
        "replicas must come to the same state from the same log",
    ),
    (
        "policy/src/",
        &["std::time", "std::fs", "std::net", "std::thread", "std::env", "SystemTime", "Instant", "tokio"],
        "decisions are pure",
    ),
    ("node/src/", &["rocksdb"], "storage is the sole user of rocksdb"),
    ("router/src/", &["rocksdb", "openraft", "hansard_node", "hansard_storage"], "routers are stateless"),
    ("storage/src/", &["openraft", "tonic", "hansard_proto"], "storage knows tables of bytes only"),
];

/// Checks the sources of the crates above.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = vec![];
    for (folder, words, why) in FORBIDDEN {
        for (path, text) in tree.with_extension("rs").filter(|(path, _)| path.starts_with(folder)) {
            for (line, code) in code_lines(text) {
                let named = words.iter().filter(|word| has_word(code, word));
                findings.extend(named.map(|word| Finding::at(path, line, format!("`{word}` has no place here: {why}"))));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_clock_in_domain() {
        let tree = Tree::of(&[("domain/src/a.rs", "// std::time is fine here\nuse std::time::SystemTime;\n")]);
        let lines: Vec<_> = check(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 2]);
    }

    #[test]
    fn leaves_other_crates_alone() {
        let tree = Tree::of(&[("runtime/src/clock.rs", "use std::time::SystemTime;")]);
        assert_eq!(check(&tree), []);
    }
}
