//! Files stay small enough to read in one sitting.

use crate::{finding::Finding, tree::Tree};

/// More than this is a file with two ideas.
const MAX_LINES: usize = 500;

/// Extensions of what people write and read as code.
const CODE: [&str; 4] = ["rs", "sh", "py", "js"];

/// Checks all code but what is generated.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let files = CODE.iter().flat_map(|extension| tree.with_extension(extension));
    let own = files.filter(|(path, _)| !path.contains("/src/gen/") && !path.contains("/golden/"));
    own.filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > MAX_LINES)
            .then(|| Finding::file(path, format!("{lines} lines, of at most {MAX_LINES}: split it by idea")))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_long_files_but_not_generated_ones() {
        let long = "x\n".repeat(MAX_LINES + 1);
        let fits = "x\n".repeat(MAX_LINES);
        let tree = Tree::of(&[("a/src/long.rs", &long), ("a/src/fits.rs", &fits), ("a/src/gen/x.rs", &long)]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["a/src/long.rs"]);
    }
}
