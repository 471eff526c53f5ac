//! Every promise names a test that exists.
//!
//! `docs/promises.md` is made of tables. In each row the first cell is the promise; the others name, in backticks, the tests
//! that fail when it breaks: `crate::module::test`, `path/to/file.rs::test`, or the path of a script.

use crate::{finding::Finding, source::defines_function, tree::Tree};

const PATH: &str = "docs/promises.md";

/// Checks every row, if the file exists.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.get(PATH) else { return vec![] };
    let rows = text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let mut findings = vec![];
    let mut in_body = false;
    let mut last = 0;
    for (index, row) in rows {
        in_body &= index == last + 1;
        last = index;
        if in_body {
            check_row(tree, index + 1, row, &mut findings);
        }
        in_body |= row.chars().all(|c| "|-: ".contains(c));
    }
    findings
}

fn check_row(tree: &Tree, line: usize, row: &str, findings: &mut Vec<Finding>) {
    let cells = row.trim_matches('|').split_once('|').map_or("", |(_, rest)| rest);
    let named: Vec<_> = cells.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        findings.push(Finding::at(PATH, line, "this promise names no test"));
    }
    let missing = named.into_iter().filter(|name| !exists(tree, name));
    findings.extend(missing.map(|name| Finding::at(PATH, line, format!("there is no test `{name}`"))));
}

fn exists(tree: &Tree, name: &str) -> bool {
    if tree.files.contains_key(name) {
        return true;
    }
    let (place, function) = name.rsplit_once("::").unwrap_or(("", name));
    if place.ends_with(".rs") {
        return tree.get(place).is_some_and(|text| defines_function(text, function));
    }
    tree.with_extension("rs").any(|(_, text)| defines_function(text, function))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &str) -> Vec<String> {
        let table = format!("# Promises\n\n| promise | gRPC | WebSocket |\n|---|---|---|\n{rows}\n");
        let tree = Tree::of(&[
            (PATH, &table),
            ("cli/tests/kill.rs", "#[test]\nfn kills_the_leader() {}"),
            ("proto/lint.sh", "#!/bin/sh"),
        ]);
        check(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn accepts_tests_that_exist() {
        let rows =
            "| acked is kept | `cli/tests/kill.rs::kills_the_leader` | `kill::kills_the_leader`, `proto/lint.sh` |";
        assert_eq!(found(rows), [""; 0]);
    }

    #[test]
    fn refuses_tests_that_do_not() {
        assert_eq!(found("| a | `gone` | `cli/tests/gone.rs::kills_the_leader` |").len(), 2);
        assert_eq!(
            found("| a | `kills_the_leader` | `cli/tests/kill.rs::kills` |"),
            ["there is no test `cli/tests/kill.rs::kills`"]
        );
    }

    #[test]
    fn refuses_a_promise_without_a_test() {
        assert_eq!(found("| we try hard | | |"), ["this promise names no test"]);
    }
}
