//! The same request again gets the first answer; another request under its id is refused. Neither has an effect.

use super::{Evidence, History};
use crate::history::Outcome;

pub(super) fn check(history: &History, _: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for done in &history.done {
        let (Some(first), Some((_, outcome))) = (done.reuses.map(|at| &history.done[at]), &done.ended) else {
            continue;
        };
        let fits = match outcome {
            Outcome::Acked(seq) => done.text == first.text && first.acked() == Some(*seq),
            Outcome::Refused(reason) => done.text != first.text && reason == "REQUEST_REUSED",
            Outcome::Unknown => true,
        };
        if !fits {
            wrong.push(format!("{done:?} has the id of {first:?}"));
        }
    }
    wrong
}
