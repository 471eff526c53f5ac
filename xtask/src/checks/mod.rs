//! The checks. Each has a test beneath it that shows it can fail.

pub mod alerts;
pub mod floors;
pub mod imports;
pub mod length;
pub mod links;
pub mod orphans;
pub mod promises;
pub mod readme;
pub mod seeded;
pub mod words;

use crate::{finding::Finding, tree::Tree};

/// Everything that is untidy, by check.
pub fn all(tree: &Tree) -> Vec<Finding> {
    let checks = [
        alerts::check,
        floors::check,
        imports::check,
        length::check,
        links::check,
        orphans::check,
        promises::check,
        readme::check,
        seeded::check,
        words::check,
    ];
    checks.iter().flat_map(|check| check(tree)).collect()
}
