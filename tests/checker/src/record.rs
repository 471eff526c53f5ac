//! A node's dump as it is read: records, entry by entry, hashed anew.

use anyhow::{Result, bail, ensure};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::files::{History, parse};
use crate::format::Node;
use crate::header::{self, Header};
use crate::ids::{digest, hex_id, unhex};
use crate::tree::{self, Hash};

/// What a dump consists of.
pub(crate) enum Item {
    /// A record begins.
    Head(Head),
    /// Its next entry.
    Leaf(Leaf),
    /// The dump ends.
    End,
}

/// What the node says of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) shard: u128,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// An entry, not yet hashed.
pub(crate) struct Leaf {
    pub(crate) header: Header,
    /// Of the text.
    pub(crate) digest: u64,
    bytes: Vec<u8>,
    proof: Proof,
}

enum Proof {
    Kept { salt: Vec<u8>, content: Vec<u8> },
    Erased(Vec<u8>),
}

impl Leaf {
    /// Its hash in the tree.
    pub(crate) fn hash(&self) -> Result<Hash> {
        let commitment: Hash = match &self.proof {
            Proof::Kept { salt, content } => {
                let mac = Hmac::<Sha256>::new_from_slice(salt)?.chain_update(content);
                mac.finalize().into_bytes().into()
            }
            Proof::Erased(commitment) => commitment.as_slice().try_into()?,
        };
        Ok(tree::leaf(&self.bytes, &commitment))
    }
}

/// Reads a dump.
pub(crate) fn read(history: &History, mut each: impl FnMut(Item) -> Result<()>) -> Result<()> {
    let (mut shards, mut ended) = (0, false);
    history.lines(|line| {
        ensure!(!ended, "something follows the end");
        each(match parse(line)? {
            Node::Shard { id, size, root } => {
                shards += 1;
                Item::Head(Head { shard: hex_id(id)?, size, root: bytes(root)?.as_slice().try_into()? })
            }
            Node::Entry { header, salt, content } => {
                let (bytes, content) = (bytes(header)?, bytes(content)?);
                let header = Header::read(&bytes)?;
                // Only rooms have texts; elsewhere content has other forms.
                let text = if header.place.is_some() { header::text(&content)? } else { b"" };
                let digest = digest(text);
                let proof = Proof::Kept { salt: self::bytes(salt)?, content };
                Item::Leaf(Leaf { header, digest, bytes, proof })
            }
            Node::Erased { header, commitment } => {
                let bytes = bytes(header)?;
                let proof = Proof::Erased(self::bytes(commitment)?);
                Item::Leaf(Leaf { header: Header::read(&bytes)?, digest: digest(b""), bytes, proof })
            }
            Node::End { shards: said } => {
                ensure!(said == shards, "the dump has {shards} records, and says {said}");
                ended = true;
                Item::End
            }
        })
    })?;
    if !ended {
        bail!("{} ends before its end: dump the node again", history.path.display());
    }
    Ok(())
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    let mut out = vec![];
    unhex(text, &mut out)?;
    Ok(out)
}
