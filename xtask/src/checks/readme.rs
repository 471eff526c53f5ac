//! The README's first screen shows the two commands.

use crate::{finding::Finding, tree::Tree};

/// As many lines as a person sees before scrolling.
const SCREEN: usize = 50;

/// Checks the README.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.get("README.md") else {
        return vec![Finding::file("README.md", "is missing")];
    };
    let screen: Vec<_> = text.lines().take(SCREEN).collect();
    let commands = ["make up", "make test"];
    let missing = commands.into_iter().filter(|command| !screen.iter().any(|line| line.contains(command)));
    missing
        .map(|command| Finding::file("README.md", format!("the first {SCREEN} lines do not show `{command}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_missing_command() {
        let below = format!("make up\n{}make test\n", "\n".repeat(SCREEN));
        assert_eq!(check(&Tree::of(&[("README.md", &below)])).len(), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(check(&Tree::of(&[("README.md", "make up\nmake test\n")])), []);
    }
}
