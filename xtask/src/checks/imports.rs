//! What manifests can't forbid: the pure crates touch no clock, file, socket, thread or environment.

use crate::{
    finding::Finding,
    source::{code_lines, has_word, test_modules, without_tests},
    tree::Tree,
};

/// Paths that the crate's sources must not name, and why.
const FORBIDDEN: [(&str, &[&str], &str); 5] = [
    (
        "domain/src/",
        &[
            "std::time",
            "std::fs",
            "std::net",
            "std::thread",
            "std::env",
            "std::process",
            "SystemTime",
            "Instant",
            "tokio",
            "tonic",
            "prost",
            "rand",
            "f32",
            "f64",
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

/// Checks the sources of the crates above, tests left out.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = vec![];
    let tests = test_folders(tree);
    for (folder, words, why) in FORBIDDEN {
        for (path, text) in tree.with_extension("rs").filter(|(path, _)| path.starts_with(folder)) {
            if tests.iter().any(|test| path.starts_with(test)) {
                continue;
            }
            for (line, code) in code_lines(without_tests(text)) {
                let named = words.iter().filter(|word| has_word(code, word));
                findings
                    .extend(named.map(|word| Finding::at(path, line, format!("`{word}` has no place here: {why}"))));
            }
        }
    }
    findings
}

/// Where modules for tests only are: `folder/name.rs` and `folder/name/`.
fn test_folders(tree: &Tree) -> Vec<String> {
    let files = tree.with_extension("rs").flat_map(|(path, text)| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder,
            _ => path.trim_end_matches(".rs"),
        };
        test_modules(text).flat_map(move |module| [format!("{below}/{module}.rs"), format!("{below}/{module}/")])
    });
    files.collect()
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

    #[test]
    fn leaves_tests_alone() {
        let tree = Tree::of(&[
            ("domain/src/lib.rs", "#[cfg(test)]\nmod far;\nmod near;"),
            ("domain/src/far/golden.rs", "use std::fs;"),
            ("domain/src/near.rs", "use std::fs;\n#[cfg(test)]\nmod tests {\n    use std::env;\n}"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(found, [("domain/src/near.rs".to_owned(), 1)]);
    }
}
