//! Alerts speak of metrics that exist.

use crate::{finding::Finding, source::code_lines, tree::Tree};

const RULES: &str = "deploy/k8s/base/shared/alerts.yaml";

/// Each process's prefix, and where its metrics are registered. Counters get `_total` in the exposition.
const PREFIXES: [(&str, &str); 2] = [("hansard_node_", "node/src/metrics"), ("hansard_router_", "router/src/metrics")];

/// Checks every `hansard_…` metric in the rules.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(rules) = tree.get(RULES) else { return vec![] };
    let mut findings = vec![];
    for (index, line) in rules.lines().enumerate() {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let Some((prefix, place)) = PREFIXES.iter().find(|(prefix, _)| word.starts_with(prefix)) else { continue };
            let name = word.trim_start_matches(prefix).trim_end_matches("_total");
            if !is_registered(tree, place, name) {
                findings.push(Finding::at(RULES, index + 1, format!("no metric {word} is registered in {place}")));
            }
        }
    }
    findings
}

/// Whether the place names the metric, with its process before it or without.
fn is_registered(tree: &Tree, place: &str, name: &str) -> bool {
    let quoted = [format!("\"{name}\""), format!("\"node_{name}\""), format!("\"router_{name}\"")];
    let mut files = tree.with_extension("rs").filter(|(path, _)| path.starts_with(place));
    files.any(|(_, text)| code_lines(text).any(|(_, line)| quoted.iter().any(|name| line.contains(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_metrics_that_are_gone() {
        let rules = "expr: sum(hansard_node_links) == 0\nexpr: rate(hansard_router_lost_total[5m]) > process_start_time_seconds";
        let tree = Tree::of(&[
            (RULES, rules),
            ("node/src/metrics.rs", "(\"node_links\", \"Routers\")"),
            ("router/src/metrics.rs", "// \"lost\""),
        ]);
        let lines: Vec<_> = check(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2]);
    }
}
