//! Outcomes of commands.

use hansard_domain::Outcome;

use crate::{cluster::v1::Proposed, rpc::Status, status};

/// What a node answers: the commit, or why there is none.
pub fn proposed(outcome: Outcome) -> Result<Proposed, Status> {
    match outcome {
        Outcome::Committed { seq, time_us, repeated } => Ok(Proposed { seq, time_us, repeated }),
        Outcome::Refused(refusal) => Err(status::from_refusal(refusal)),
    }
}

/// The outcome of a commit.
pub fn outcome_of(proposed: &Proposed) -> Outcome {
    Outcome::Committed { seq: proposed.seq, time_us: proposed.time_us, repeated: proposed.repeated }
}

#[cfg(test)]
mod tests {
    use hansard_domain::Refusal;

    use super::*;

    #[test]
    fn outcomes_come_back() {
        let committed = Outcome::Committed { seq: 3, time_us: 4, repeated: true };
        assert_eq!(outcome_of(&proposed(committed).unwrap()), committed);
        let refused = proposed(Outcome::Refused(Refusal::NotMember)).unwrap_err();
        assert_eq!(status::refusal_of(&refused), Some(Refusal::NotMember));
    }
}
