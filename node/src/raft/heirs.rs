//! In which order the voters of a shard succeed a leader that is lost.
//!
//! Votes are split when two stand at the same time: each votes for itself, and over distant sites they do so again and again,
//! as their timers are no further apart than their messages travel. So no two of them may stand: among those with the same
//! log there is an order that all agree on without asking each other, and nobody helps whom it comes before.

use hansard_domain::ShardId;

/// Whether of two voters with the same log `one` comes before `other`. A different order in each shard, so that the leaderships
/// of a node that is lost are spread over the others.
pub(crate) fn precedes(shard: ShardId, one: u64, other: u64) -> bool {
    (draw(shard, one), one) < (draw(shard, other), other)
}

/// A number that every node draws alike: FNV-1a, and a finish that lets each bit hang on all others.
fn draw(shard: ShardId, node: u64) -> u64 {
    let bytes = shard.as_bytes().iter().copied().chain(node.to_be_bytes());
    let mixed = bytes
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(last: u8) -> ShardId {
        let mut id = [0x3c; 16];
        id[15] = last;
        ShardId::from_bytes(id)
    }

    #[test]
    fn of_two_exactly_one_precedes_and_the_order_has_no_circles() {
        for shard in (0..=255).map(shard) {
            for (a, b, c) in [(1, 2, 3), (7, 9, 8), (u64::MAX, 0, 1 << 63)] {
                assert!(precedes(shard, a, b) != precedes(shard, b, a) && !precedes(shard, a, a));
                assert!(!(precedes(shard, a, b) && precedes(shard, b, c) && precedes(shard, c, a)));
            }
        }
    }

    #[test]
    fn a_lost_nodes_leaderships_are_spread() {
        for (one, other) in [(1, 3), (2, 3), (0x1234_5678_9abc_def0, 0x8765_4321_0fed_cba9)] {
            let firsts = (0..=255).filter(|last| precedes(shard(*last), one, other)).count();
            assert!((96..=160).contains(&firsts), "{firsts} of 256");
        }
    }
}
