//! Nothing unfinished, and no test that is switched off.

use crate::{finding::Finding, tree::Tree};

/// What must not be in code. Written in two halves, so that this file passes its own check.
const WORDS: [(&str, &str); 6] = [
    (concat!("to", "do!"), "finish it or leave it out"),
    (concat!("unimple", "mented!"), "finish it or leave it out"),
    (concat!("TO", "DO"), "do it, or say in the docs what is absent on purpose"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("db", "g!"), "use tracing"),
    (concat!("#[ign", "ore"), "a test that does not run shows nothing: mend it or remove it"),
];

/// Extensions of what is searched.
const CODE: [&str; 6] = ["rs", "proto", "sh", "py", "toml", "yaml"];

/// Checks all code, comments included.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let files = CODE.iter().flat_map(|extension| tree.with_extension(extension));
    let own = files.filter(|(path, _)| !path.contains("/src/gen/"));
    own.flat_map(|(path, text)| {
        text.lines().enumerate().flat_map(move |(index, line)| {
            let found = WORDS.iter().filter(move |(word, _)| line.contains(word));
            found.map(move |(word, what)| Finding::at(path, index + 1, format!("`{word}`: {what}")))
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_word() {
        for (word, _) in WORDS {
            let text = format!("fn a() {{\n    {word}\n}}");
            let found = check(&Tree::of(&[("a/src/lib.rs", &text)]));
            assert!(found.iter().any(|finding| finding.line == 2), "{word}");
        }
    }

    #[test]
    fn leaves_clean_code_alone() {
        assert_eq!(check(&Tree::of(&[("a/src/lib.rs", "fn a() {}")])), []);
    }
}
