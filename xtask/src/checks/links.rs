//! Links between the documents lead somewhere.

use std::collections::BTreeSet;

use crate::{finding::Finding, tree::Tree};

/// Checks relative links in all Markdown files.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut places: BTreeSet<String> = tree.files.keys().cloned().collect();
    for path in tree.files.keys() {
        let ends = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        places.extend(ends);
    }
    let mut findings = vec![];
    for (path, text) in tree.with_extension("md") {
        for (index, line) in text.lines().enumerate() {
            let dead = targets(line).filter(|target| !places.contains(&resolve(path, target)));
            findings.extend(dead.map(|target| Finding::at(path, index + 1, format!("the link to {target} is dead"))));
        }
    }
    findings
}

/// What `[text](target)` on this line points to within the tree, anchors cut off.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = links.filter(|link| !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:"));
    inside.filter_map(|link| link.split('#').next())
}

fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_dead_links_only() {
        let text = "[a](docs/b.md#part) [c](docs) [web](https://x.y/z) [here](#top)\n[gone](docs/gone.md)";
        let tree = Tree::of(&[("README.md", text), ("docs/b.md", "[up](../README.md) [self](b.md)")]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(found, [("README.md".to_owned(), 2)]);
    }
}
