//! The tree is tidy.

use xtask::{checks, tree::Tree};

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read(&Tree::root()).unwrap();
    assert!(tree.files.len() > 50, "the tree was read");
    let findings: Vec<_> = checks::all(&tree).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
