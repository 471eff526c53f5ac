//! Merkle trees by RFC 6962, from the leaves' hashes.

use sha2::{Digest, Sha256};

/// A hash.
pub type Hash = [u8; 32];

/// A tree that grows: the roots of its complete subtrees, the widest first.
#[derive(Debug, Default)]
pub struct Tree {
    leaves: u64,
    roots: Vec<Hash>,
}

/// The hash of a leaf.
pub fn leaf(header: &[u8], commitment: &Hash) -> Hash {
    Sha256::new().chain_update([0]).chain_update(header).chain_update(commitment).finalize().into()
}

fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

impl Tree {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.leaves
    }

    /// Adds a leaf at the right.
    pub fn push(&mut self, mut hash: Hash) {
        // Each complete subtree as wide as the new one joins with it, as in a binary counter.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = parent(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.leaves += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let joined = self.roots.iter().rev().copied().reduce(|right, left| parent(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// Known answers of the Certificate Transparency project, for leaves of one part.
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let mut tree = Tree::default();
        assert_eq!(HEXLOWER.encode(&tree.root())[..16], *"e3b0c44298fc1c14");
        for text in leaves {
            let bytes = HEXLOWER.decode(text.as_bytes()).unwrap();
            tree.push(Sha256::new().chain_update([0]).chain_update(bytes).finalize().into());
        }
        assert_eq!(HEXLOWER.encode(&tree.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }
}
