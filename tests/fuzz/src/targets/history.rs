//! Histories, as the checker reads them: what cannot be read must not be taken for good.

use std::fs;

use hansard_checker::check_files;
use tempfile::TempDir;

use crate::corpus::histories;
use crate::law::{demand, refused};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 1] = [Target::new("history/files", || vec![histories::run()], history)
    .shaped(Shape::Text(&[
        "invoke", "ack", "refused", "unknown", "event", "missing", "entry", "erased", "end", "start",
    ]))
    // Each file has a buffer of a mebibyte, and there are as many files as there are titles.
    .allowed(32 << 20, 4_096)];

/// What a file begins with.
const TITLE: &[u8] = b"{\"hansard_history\"";
/// Files of one input at most.
const FILES: usize = 16;

/// Where all is well, no more sends were acked than there are entries.
fn history(input: &[u8]) -> Verdict {
    thread_local! {
        static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory");
    }
    let paths = DIRECTORY.with(|directory| {
        let files = files(input).into_iter().take(FILES).enumerate();
        let paths = files.map(|(number, file)| {
            let path = directory.path().join(format!("{number}.history"));
            fs::write(&path, file).expect("a file");
            path
        });
        paths.collect::<Vec<_>>()
    });
    match check_files(&paths, 1) {
        Err(error) => refused(input, &format!("{error:#}")),
        Ok(summary) if summary.report.total() > 0 => Ok(Seen::Refused),
        Ok(summary) => {
            demand(summary.acked <= summary.entries, || format!("all is well with {summary:?}"))?;
            Ok(Seen::Taken)
        }
    }
}

/// The input, cut before each title.
fn files(input: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> =
        input.windows(TITLE.len()).enumerate().filter(|(_, w)| *w == TITLE).map(|(at, _)| at).collect();
    starts.push(input.len());
    starts.windows(2).map(|edges| &input[edges[0]..edges[1]]).collect()
}
