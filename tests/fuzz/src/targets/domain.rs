//! Formats of `domain` that travel in the log and between nodes.

use bytes::Bytes;
use hansard_domain::meta::{MetaBatch, MetaCommand, MetaOutcome};
use hansard_domain::{Batch, CodecError, Content, Header, Outcome};

use crate::corpus::golden::values;
use crate::law::{canonical, one_form};
use crate::target::{Target, Verdict};

pub(super) const TARGETS: [Target; 7] = [
    Target::new("domain/batch", batches, batch),
    Target::new("domain/content", contents, content),
    Target::new("domain/outcome", outcomes, outcome),
    Target::new("domain/header", headers, header),
    Target::new("domain/meta-batch", meta_batches, meta_batch),
    Target::new("domain/meta-command", meta_commands, meta_command),
    Target::new("domain/meta-outcome", meta_outcomes, meta_outcome),
];

fn batches() -> Vec<Vec<u8>> {
    values(include_str!("../../../../domain/tests/golden/batch.hex"))
}

fn batch(input: &[u8]) -> Verdict {
    canonical(input, |bytes| {
        let batch = Batch::decode(&Bytes::copy_from_slice(bytes))?;
        Ok::<_, CodecError>(batch.encode().to_vec())
    })
}

fn contents() -> Vec<Vec<u8>> {
    let field = |text: &str| Some(text.to_owned());
    let full =
        Content { text: field("hello"), name: field("a room"), topic: field("Grüße ✓"), reason: field("why") };
    [Content::text("hello"), full, Content::text("x".repeat(300))].map(|content| content.encode().to_vec()).to_vec()
}

fn content(input: &[u8]) -> Verdict {
    // Fields up to the end: less of them is content, too.
    one_form(input, |bytes| Content::decode(bytes).map(|content| content.encode().to_vec()))
}

fn outcomes() -> Vec<Vec<u8>> {
    values(include_str!("../../../../domain/tests/golden/outcome.hex"))
}

fn outcome(input: &[u8]) -> Verdict {
    canonical(input, |bytes| Outcome::decode(bytes).map(|outcome| outcome.encode()))
}

fn headers() -> Vec<Vec<u8>> {
    values(include_str!("../../../../domain/tests/golden/header.hex"))
}

fn header(input: &[u8]) -> Verdict {
    canonical(input, |bytes| Header::decode(bytes).map(|header| header.encode()))
}

fn meta_batches() -> Vec<Vec<u8>> {
    values(include_str!("../../../../domain/tests/golden/meta_batch.hex"))
}

fn meta_batch(input: &[u8]) -> Verdict {
    canonical(input, |bytes| {
        let batch = MetaBatch::decode(&Bytes::copy_from_slice(bytes))?;
        Ok::<_, CodecError>(batch.encode().to_vec())
    })
}

fn meta_commands() -> Vec<Vec<u8>> {
    let batches = meta_batches().into_iter().map(|batch| MetaBatch::decode(&batch.into()).expect("golden"));
    batches.flat_map(|batch| batch.commands).map(|command| command.encode().to_vec()).collect()
}

fn meta_command(input: &[u8]) -> Verdict {
    canonical(input, |bytes| {
        let command = MetaCommand::decode(&Bytes::copy_from_slice(bytes))?;
        Ok::<_, CodecError>(command.encode().to_vec())
    })
}

fn meta_outcomes() -> Vec<Vec<u8>> {
    values(include_str!("../../../../domain/tests/golden/meta_outcome.hex"))
}

fn meta_outcome(input: &[u8]) -> Verdict {
    canonical(input, |bytes| MetaOutcome::decode(bytes).map(|outcome| outcome.encode()))
}
