//! The figures of record, and how others compare with them.

use std::fmt::{self, Write};

use anyhow::{Context, Result};

use crate::place::Place;

/// So much more is a failure, per cent. Callgrind's counts vary by less than one, with the seeds of hash tables.
const MORE: u64 = 5;
/// So much less is to become the figure of record, per cent: or else it could be lost again unseen.
const LESS: u64 = 10;

/// What one workload takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// For one operation.
    pub(crate) instructions: u64,
}

/// What all take, and where they were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) place: Place,
    pub(crate) figures: Vec<Figure>,
}

/// How figures compare with those of record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// These take less: the figures should follow.
    Less(Vec<String>),
    /// These take more, or are not known.
    More(Vec<String>),
    /// They were counted elsewhere.
    Elsewhere {
        known: Place,
        here: Place,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Same => write!(f, "within {MORE} % of the figures of record"),
            Verdict::Less(names) => {
                let names = names.join(", ");
                write!(f, "{names}: {LESS} % less than on record; take that over with `make instructions WRITE=1`")
            }
            Verdict::More(names) => {
                let names = names.join(", ");
                write!(
                    f,
                    "FAILED: {names}: {MORE} % more than on record, or another list; find out why, or take it over with \
                     `make instructions WRITE=1` and say why"
                )
            }
            Verdict::Elsewhere { known, here } => {
                write!(f, "cannot compare: the figures of record are of [{known}], and this is [{here}]")
            }
        }
    }
}

impl Figures {
    /// As they stand in the file.
    pub(crate) fn to_text(&self) -> String {
        let Place { compiler, libc, features } = &self.place;
        let mut text = format!("compiler\t{compiler}\nlibc\t{libc}\nfeatures\t{features}\n");
        for Figure { name, instructions } in &self.figures {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{name}\t{instructions}");
        }
        text
    }

    /// Reads [`Figures::to_text`].
    pub(crate) fn from_text(text: &str) -> Result<Figures> {
        let mut found = Figures::default();
        for line in text.lines() {
            let (name, value) = line.split_once('\t').with_context(|| format!("no name and value: {line:?}"))?;
            match name {
                "compiler" => found.place.compiler = value.to_owned(),
                "libc" => found.place.libc = value.to_owned(),
                "features" => found.place.features = value.to_owned(),
                name => {
                    let instructions = value.parse().with_context(|| format!("no count: {line:?}"))?;
                    found.figures.push(Figure { name: name.to_owned(), instructions });
                }
            }
        }
        Ok(found)
    }

    fn known(&self, name: &str) -> Option<u64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.instructions)
    }

    /// Both, line by line.
    pub(crate) fn table(&self, known: &Figures) -> String {
        let mut text = format!("{:<44}{:>14}{:>14}{:>9}\n", "instructions for", "on record", "now", "");
        for Figure { name, instructions } in &self.figures {
            let (before, change) = match known.known(name) {
                Some(before) if before > 0 => {
                    let percent = *instructions as f64 / before as f64 * 100.0 - 100.0;
                    (before.to_string(), format!("{percent:+.1} %"))
                }
                _ => ("-".to_owned(), "new".to_owned()),
            };
            let _ = writeln!(text, "{name:<44}{before:>14}{instructions:>14}{change:>9}");
        }
        text
    }

    /// How these compare with those of record.
    pub(crate) fn verdict(&self, known: &Figures) -> Verdict {
        if self.place != known.place {
            return Verdict::Elsewhere { known: known.place.clone(), here: self.place.clone() };
        }
        let here = |name: &str| self.figures.iter().any(|figure| figure.name == name);
        let gone = known.figures.iter().filter(|figure| !here(&figure.name)).map(|figure| figure.name.clone());
        let (mut more, mut less): (Vec<String>, Vec<String>) = (gone.collect(), Vec::new());
        for Figure { name, instructions } in &self.figures {
            match known.known(name) {
                Some(before) if instructions * 100 <= before * (100 - LESS) => less.push(name.clone()),
                Some(before) if instructions * 100 <= before * (100 + MORE) => {}
                _ => more.push(name.clone()),
            }
        }
        match (more.is_empty(), less.is_empty()) {
            (false, _) => Verdict::More(more),
            (true, false) => Verdict::Less(less),
            (true, true) => Verdict::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figures: &[(&str, u64)]) -> Figures {
        let place = Place { compiler: "rustc 1".into(), libc: "glibc 2".into(), features: "avx sha".into() };
        let figure = |(name, instructions): &(&str, u64)| Figure { name: (*name).into(), instructions: *instructions };
        Figures { place, figures: figures.iter().map(figure).collect() }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let some = figures(&[("apply: a send", 1_000), ("b", 7)]);
        assert_eq!(Figures::from_text(&some.to_text()).unwrap(), some);
        assert!(Figures::from_text("a\tmany").is_err() && Figures::from_text("a").is_err());
    }

    #[test]
    fn five_per_cent_more_fail_and_ten_less_are_to_be_taken_over() {
        let known = figures(&[("a", 1_000), ("b", 1_000)]);
        let verdict = |a, b| figures(&[("a", a), ("b", b)]).verdict(&known);
        assert_eq!(verdict(1_050, 901), Verdict::Same);
        assert_eq!(verdict(1_051, 500), Verdict::More(vec!["a".into()]));
        assert_eq!(verdict(1_000, 900), Verdict::Less(vec!["b".into()]));
        assert_eq!(figures(&[("a", 1_000)]).verdict(&known), Verdict::More(vec!["b".into()]), "one is gone");
        let more = figures(&[("a", 1_000), ("b", 1_000), ("c", 1)]);
        assert_eq!(more.verdict(&known), Verdict::More(vec!["c".into()]), "one is new");
        assert!(verdict(1_100, 1_000).to_string().starts_with("FAILED: a:"));
    }

    #[test]
    fn figures_from_elsewhere_are_not_compared() {
        let known = figures(&[("a", 1_000)]);
        let mut other = figures(&[("a", 9_000)]);
        other.place.features = "avx".into();
        let verdict = other.verdict(&known);
        assert!(matches!(verdict, Verdict::Elsewhere { .. }) && verdict.to_string().contains("cannot compare"));
        assert!(other.table(&known).contains("+800.0 %"));
    }
}
