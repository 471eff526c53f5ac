//! What a proposer makes entries of: commands for rooms, or for meta.

use std::sync::Arc;

use bytes::BufMut;
use hansard_domain::limits::{MAX_BATCH_COMMANDS, MAX_META_COMMANDS};
use hansard_domain::meta::{MetaBatch, MetaCommand, MetaOutcome};
use hansard_domain::{Action, Batch, Command, Outcome, PersonId, RequestId, Salt, Sealed};
use hansard_runtime::{Clock, Entropy};

use super::request::ProposeRequest;
use crate::raft::entry::batch_payload;
use crate::raft::{Decoded, Outcomes, Proposal};

/// What a proposer stamps with: the node's clock and dice, read once for each entry.
#[derive(Clone)]
pub(super) struct Seams {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Seams {
    /// A salt for each of so many commands.
    fn salts(&self, commands: usize) -> Vec<Salt> {
        let mut dice = vec![0; commands * 32];
        self.entropy.fill(&mut dice);
        dice.chunks_exact(32).map(|salt| Salt(salt.try_into().expect("chunks of 32"))).collect()
    }
}

/// A kind of command that proposals are made of.
pub(super) trait Item: Send + Sync + Sized + 'static {
    /// What becomes of one.
    type Outcome: Send + Sync + 'static;
    /// How many fit into one entry.
    const MAX_COMMANDS: usize;
    /// A bound on the bytes that it takes in an entry.
    fn size(&self) -> usize;
    /// The entry that holds these, in this order.
    fn entry(items: Vec<Self>, seams: &Seams) -> Proposal;
    /// The outcomes of an entry, in order.
    ///
    /// # Panics
    /// If they are of another kind: a shard has one state machine.
    fn outcomes(outcomes: Outcomes) -> Vec<Self::Outcome>;
}

/// A command for rooms with what its permit says.
pub(super) struct Permitted {
    pub(super) actor: PersonId,
    pub(super) request: RequestId,
    pub(super) action: Action,
    pub(super) content: bytes::Bytes,
    pub(super) policy: u64,
    pub(super) rule: u16,
}

impl Permitted {
    pub(super) fn new(request: ProposeRequest, policy: u64, rule: u16) -> Permitted {
        let ProposeRequest { actor, request, action, content } = request;
        Permitted { actor, request, action, content, policy, rule }
    }
}

/// Bytes of a command besides its content, at most: see [`Command::encoded_len`].
const COMMAND_OVERHEAD: usize = 192;

impl Item for Permitted {
    type Outcome = Outcome;
    const MAX_COMMANDS: usize = MAX_BATCH_COMMANDS;

    fn size(&self) -> usize {
        COMMAND_OVERHEAD + self.content.len()
    }

    fn entry(items: Vec<Permitted>, seams: &Seams) -> Proposal {
        let stamp_us = seams.clock.now_us();
        let salts = seams.salts(items.len());
        let commands = items.into_iter().zip(salts).map(|(item, salt)| Command {
            request: item.request,
            actor: item.actor,
            stamp_us,
            policy: item.policy,
            rule: item.rule,
            salt,
            content: Sealed::clear(item.content),
            action: item.action,
        });
        let batch = Batch { commands: commands.collect() };
        proposal(&batch.encode(), Decoded::Room(Arc::new(batch)))
    }

    fn outcomes(outcomes: Outcomes) -> Vec<Outcome> {
        match outcomes {
            Outcomes::Room(outcomes) => outcomes,
            other => panic!("a batch for rooms has outcomes of rooms, not {other:?}"),
        }
    }
}

impl Item for MetaCommand {
    type Outcome = MetaOutcome;
    const MAX_COMMANDS: usize = MAX_META_COMMANDS;

    fn size(&self) -> usize {
        // Meta's commands are few.
        self.encode().len()
    }

    /// Whoever made the command, the leader stamps it.
    fn entry(items: Vec<MetaCommand>, seams: &Seams) -> Proposal {
        let stamp_us = seams.clock.now_us();
        let salts = seams.salts(items.len());
        let stamped = |(command, salt)| MetaCommand { stamp_us, salt, ..command };
        let commands = items.into_iter().zip(salts).map(stamped);
        let batch = MetaBatch { commands: commands.collect() };
        proposal(&batch.encode(), Decoded::Meta(Arc::new(batch)))
    }

    fn outcomes(outcomes: Outcomes) -> Vec<MetaOutcome> {
        match outcomes {
            Outcomes::Meta(outcomes) => outcomes,
            other => panic!("a batch for meta has outcomes of meta, not {other:?}"),
        }
    }
}

fn proposal(encoded: &[u8], decoded: Decoded) -> Proposal {
    let mut payload = batch_payload(encoded.len());
    payload.put_slice(encoded);
    Proposal { payload: payload.freeze(), decoded: Some(decoded), spans: Vec::new() }
}
