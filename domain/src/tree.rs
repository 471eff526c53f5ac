//! The record's Merkle tree by RFC 6962: leaves are hashed behind a 0x00, nodes behind a 0x01.

pub use crate::hash::Hash;
use crate::hash::{sha256, sha256_both};

/// What a leaf's preimage is hashed behind.
pub(crate) const LEAF: u8 = 0x00;

/// The hash of a leaf whose preimage comes in parts.
pub fn leaf_hash(parts: &[&[u8]]) -> Hash {
    let mut message = vec![LEAF];
    parts.iter().for_each(|part| message.extend_from_slice(part));
    sha256(&message)
}

/// The hash of a node above two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&node(left, right))
}

/// What a node's hash is made of.
fn node(left: &Hash, right: &Hash) -> [u8; 65] {
    let mut input = [0u8; 65];
    input[0] = 0x01;
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    input
}

/// The roots of the complete subtrees that a tree of some size consists of, the widest first: enough to append and to
/// know the root, in 32 bytes for each bit that is set in the size.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Clone for Frontier {
    fn clone(&self) -> Self {
        Self { size: self.size, nodes: self.nodes.clone() }
    }

    /// Into the memory that is there.
    fn clone_from(&mut self, from: &Self) {
        self.size = from.size;
        self.nodes.clone_from(&from.nodes);
    }
}

impl Frontier {
    /// A frontier as it was stored; panics if the number of nodes does not fit the size.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Self {
        assert_eq!(nodes.len(), size.count_ones() as usize, "one node for each bit of the size");
        Self { size, nodes }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees' roots, the widest first.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Appends a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.nodes.pop().expect("one node for each bit of the size");
            node = node_hash(&left, &node);
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// Appends leaves, by their hashes, level by level: what stands in one level is hashed by pairs. `leaves` is empty afterwards.
    pub fn extend(&mut self, leaves: &mut Vec<Hash>) {
        let (added, mut wider) = (leaves.len() as u64, self.size);
        // The roots of the new subtrees that stay, the narrowest first.
        let mut stay = Vec::new();
        let level = leaves;
        while !level.is_empty() {
            if wider & 1 == 1 {
                level.insert(0, self.nodes.pop().expect("one node for each bit of the size"));
            }
            if level.len() % 2 == 1 {
                stay.extend(level.pop());
            }
            for at in (0..level.len() / 2).step_by(2) {
                match level[2 * at..] {
                    [a, b, c, d, ..] => {
                        let both = [node(&a, &b), node(&c, &d)];
                        [level[at], level[at + 1]] = sha256_both([&both[0], &both[1]]);
                    }
                    [a, b, ..] => level[at] = node_hash(&a, &b),
                    _ => unreachable!("there is an even number of them"),
                }
            }
            level.truncate(level.len() / 2);
            wider >>= 1;
        }
        self.nodes.extend(stay.into_iter().rev());
        self.size += added;
    }

    /// The tree's root; of an empty tree the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(first) = nodes.next() else {
            return sha256(&[]);
        };
        nodes.fold(*first, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    fn hex(hash: Hash) -> String {
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The test data of the Certificate Transparency reference implementation.
    #[test]
    fn known_roots() {
        let leaves: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Frontier::default();
        assert_eq!(hex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (leaf, root) in leaves.iter().zip(roots) {
            tree.push(leaf_hash(&[leaf]));
            assert_eq!(hex(tree.root()), root);
        }
    }

    proptest! {
        #[test]
        fn leaves_are_appended_together_as_one_by_one(sizes in prop::collection::vec(0usize..70, 1..9)) {
            let (mut one, mut all) = (Frontier::default(), Frontier::default());
            for size in sizes {
                let mut leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&[&n.to_be_bytes()])).collect();
                leaves.iter().for_each(|leaf| one.push(*leaf));
                all.extend(&mut leaves);
                prop_assert_eq!(&all, &one);
                prop_assert!(leaves.is_empty());
            }
        }

        #[test]
        fn the_root_is_that_of_the_definition(size in 0u64..600) {
            let mut tree = Frontier::default();
            let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&[&n.to_be_bytes()])).collect();
            leaves.iter().for_each(|leaf| tree.push(*leaf));
            prop_assert_eq!(tree.root(), naive(&leaves));
            let again = Frontier::from_parts(tree.size(), tree.nodes().to_vec());
            prop_assert_eq!(again, tree);
        }
    }
}
