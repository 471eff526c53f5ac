//! Every `.rs` file is reached by a `mod`, else nobody compiles it.

use std::collections::BTreeSet;

use crate::{finding::Finding, source::code_lines, tree::Tree};

/// Checks the sources of every crate.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for path in tree.files.keys().filter(|path| path.ends_with(".rs") && is_root(tree, path)) {
        reach(tree, path, true, &mut reached);
    }
    let all = tree.with_extension("rs").map(|(path, _)| path);
    all.filter(|path| !reached.contains(*path))
        .map(|path| Finding::file(path, "no `mod` leads here, so nothing compiles it"))
        .collect()
}

/// Whether cargo compiles the file by itself, by its place or because the manifest names it.
fn is_root(tree: &Tree, path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let last = folder.rsplit('/').next().unwrap_or_default();
    let is_crate = |folder: &str| tree.get(&format!("{folder}/Cargo.toml")).is_some();
    let from_crate =
        |kind: &str| folder.split_once(kind).is_some_and(|(start, below)| is_crate(start) && !below.contains('/'));
    match (last, name) {
        ("src", "lib.rs" | "main.rs") => is_crate(above),
        ("tests" | "benches" | "examples", _) => is_crate(above),
        ("bin", _) => folder.ends_with("src/bin"),
        (_, "build.rs") => is_crate(folder),
        (_, "main.rs") => from_crate("/tests/") || from_crate("/src/bin/"),
        _ => is_named(tree, path),
    }
}

fn is_named(tree: &Tree, path: &str) -> bool {
    let mut manifests = tree.files.iter().filter_map(|(manifest, text)| {
        let folder = manifest.strip_suffix("Cargo.toml")?;
        Some((folder, text))
    });
    manifests.any(|(folder, text)| {
        let inside = path.strip_prefix(folder);
        inside.is_some_and(|inside| text.contains(&format!("path = \"{inside}\"")))
    })
}

fn reach(tree: &Tree, path: &str, root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.get(path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let below = match name {
        "mod.rs" => folder.to_owned(),
        _ if root => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let mut renamed = None;
    for (_, line) in code_lines(text) {
        let line = line.trim();
        if let Some(file) = quoted(line, "#[path = \"").or_else(|| quoted(line, "include!(\"")) {
            reach(tree, &join(folder, file), false, reached);
            renamed = line.starts_with("#[path").then_some(());
        } else if let Some(module) = declared(line)
            && renamed.take().is_none()
        {
            reach(tree, &format!("{below}/{module}.rs"), false, reached);
            reach(tree, &format!("{below}/{module}/mod.rs"), false, reached);
        }
    }
}

/// The module that a line such as `pub(crate) mod name;` declares.
fn declared(line: &str) -> Option<&str> {
    let head = line.strip_suffix(';')?;
    let (before, name) = head.rsplit_once("mod ")?;
    let visible = before.trim();
    let plain = visible.is_empty() || visible.starts_with("pub") || visible.ends_with(']');
    plain.then_some(name.trim())
}

fn quoted<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    rest.split('"').next()
}

/// Joins paths, `..` resolved.
fn join(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in file.split('/') {
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

    fn orphans(files: &[(&str, &str)]) -> Vec<String> {
        let mut files = files.to_vec();
        files.push(("a/Cargo.toml", ""));
        check(&Tree::of(&files)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn finds_a_file_that_nothing_declares() {
        let files = [("a/src/lib.rs", "mod used;\n// mod lost;"), ("a/src/used.rs", ""), ("a/src/lost.rs", "")];
        assert_eq!(orphans(&files), ["a/src/lost.rs"]);
    }

    #[test]
    fn follows_modules_down() {
        let files = [
            ("a/src/main.rs", "pub mod one;\npub(crate) mod two;"),
            ("a/src/one.rs", "#[cfg(test)]\nmod deep;"),
            ("a/src/one/deep.rs", ""),
            ("a/src/two/mod.rs", "mod three;"),
            ("a/src/two/three.rs", ""),
        ];
        assert_eq!(orphans(&files), [""; 0]);
    }

    #[test]
    fn knows_what_tests_share() {
        let files = [
            ("a/tests/it.rs", "mod common;\n#[path = \"common/extra.rs\"]\nmod other;"),
            ("a/tests/common/mod.rs", ""),
            ("a/tests/common/extra.rs", ""),
            ("a/tests/common/lost.rs", ""),
            ("a/tests/system/main.rs", "mod part;"),
            ("a/tests/system/part.rs", ""),
        ];
        assert_eq!(orphans(&files), ["a/tests/common/lost.rs"]);
    }
}
