//! Who waits for an answer, and is told.

use std::sync::Arc;

use hansard_proto::cluster::v1::Proposed;
use hansard_proto::cluster::v1::node_reply::Outcome;
use tokio::sync::oneshot;

use crate::connection::Inbox;
use crate::proposal::Committed;

/// Why a call over a link has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It was never sent: too much waits already.
    Full,
    /// It was never sent: the link is gone.
    Down,
    /// The link broke, or the shard has another leader now: whether it was carried out is unknown.
    Unknown,
    /// Its time is over: whether it was carried out is unknown.
    Late,
}

/// What a try of a call came to.
pub(crate) type Answer = Result<Outcome, Lost>;

/// What became of a session's proposal.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It was committed.
    Committed(Committed),
    /// Anything else.
    Otherwise(Box<Answer>),
}

/// See the module.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A future of its own.
    Call(oneshot::Sender<Answer>),
    /// A session, for its proposal of this number: it is told of many at a time.
    Session(Arc<Inbox>, u32),
}

/// Answers on their way: each session is woken once, when all of its answers are there.
#[derive(Debug, Default)]
pub(super) struct Answers {
    wake: Vec<Arc<Inbox>>,
}

impl Answers {
    /// Leaves a commit with the one who asked.
    pub(super) fn committed(&mut self, asker: Asker, committed: Committed) {
        match asker {
            Asker::Call(asker) => {
                let Committed { seq, time_us } = committed;
                let proposed = Proposed { seq, time_us, ..Proposed::default() };
                // Whoever asked may have gone.
                drop(asker.send(Ok(Outcome::Proposed(proposed))));
            }
            Asker::Session(inbox, number) => self.answered(inbox, number, Answered::Committed(committed)),
        }
    }

    /// Leaves any other answer with the one who asked.
    pub(super) fn otherwise(&mut self, asker: Asker, answer: Answer) {
        match asker {
            Asker::Call(asker) => drop(asker.send(answer)),
            Asker::Session(inbox, number) => {
                let answered = match answer {
                    Ok(Outcome::Proposed(Proposed { seq, time_us, .. })) => {
                        Answered::Committed(Committed { seq, time_us })
                    }
                    answer => Answered::Otherwise(Box::new(answer)),
                };
                self.answered(inbox, number, answered);
            }
        }
    }

    fn answered(&mut self, inbox: Arc<Inbox>, number: u32, answered: Answered) {
        if inbox.answered(number, answered) {
            self.wake.push(inbox);
        }
    }

    /// Wakes the sessions.
    pub(super) fn tell(self) {
        self.wake.iter().for_each(|inbox| inbox.wake());
    }
}
