//! The tree as the checks see it: text files by path.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// Folders that hold nothing of the project's own.
const SKIPPED: [&str; 4] = [".git", "target", "data", "node_modules"];

/// Text files by their path relative to the root, with `/` between parts. Files that are not UTF-8 are left out.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    /// Path to text.
    pub files: BTreeMap<String, String>,
}

impl Tree {
    /// Where this workspace is.
    pub fn root() -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent().expect("xtask is a folder of the workspace").to_owned()
    }

    /// Reads a tree from disk.
    pub fn read(root: &Path) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        tree.add_folder(root, root)?;
        Ok(tree)
    }

    /// A tree made by hand, for the checks' own tests.
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let pairs = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Tree { files: pairs.collect() }
    }

    /// The text of a file, if it is there.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files with this extension, by path.
    pub fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let suffix = format!(".{extension}");
        let files = self.files.iter().filter(move |(path, _)| path.ends_with(&suffix));
        files.map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn add_folder(&mut self, root: &Path, folder: &Path) -> anyhow::Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if SKIPPED.contains(&name.as_ref()) {
                continue;
            }
            if path.is_dir() {
                self.add_folder(root, &path)?;
            } else if let Ok(text) = fs::read_to_string(&path) {
                let relative = path.strip_prefix(root).expect("walked from the root");
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                self.files.insert(parts.join("/"), text);
            }
        }
        Ok(())
    }
}
