//! Row keys. Every key of a table has the same length, so that one table's keys never are each other's prefixes.

use crate::ids::{PersonId, RequestId, RoomId};

/// The key of the only row of its table.
pub(crate) const SINGLE: &[u8] = &[];

pub(crate) fn pair(a: &[u8; 16], b: &[u8; 16]) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(a);
    key[16..].copy_from_slice(b);
    key
}

pub(crate) fn member(room: RoomId, person: PersonId) -> [u8; 32] {
    pair(room.as_bytes(), person.as_bytes())
}

/// Of `PersonRoom` and `ReadMark`.
pub(crate) fn person_room(person: PersonId, room: RoomId) -> [u8; 32] {
    pair(person.as_bytes(), room.as_bytes())
}

/// Of the block whose last entry has this seq.
pub(crate) fn event(room: RoomId, seq: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(room.as_bytes());
    key[16..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// The seq of the last entry of an event block.
pub(crate) fn last_seq(key: &[u8]) -> u64 {
    u64::from_be_bytes(*key.last_chunk().expect("event keys end with a seq"))
}

/// Of the block of a person's and scope's requests that ends with this one.
pub(crate) fn dedup(owner: &[u8; 32], request: RequestId) -> [u8; 48] {
    let mut key = [0; 48];
    key[..32].copy_from_slice(owner);
    key[32..].copy_from_slice(request.as_bytes());
    key
}

/// The last request of such a block.
pub(crate) fn last_request(key: &[u8]) -> RequestId {
    RequestId::from_bytes(*key.last_chunk().expect("they end with a request"))
}

/// The key right after this one, and after no other: where a scan goes on after a page.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The first key after all that begin with `prefix`.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < 0xff {
            *last += 1;
            return end;
        }
        end.pop();
    }
    // All ones: no key of ours is longer than this.
    vec![0xff; 65]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_after_all_keys_with_the_prefix() {
        assert_eq!(end_of(&[1, 2]), [1, 3]);
        assert_eq!(end_of(&[1, 0xff]), [2]);
        assert!(end_of(&[0xff; 16]) > [0xff; 48].to_vec());
    }
}
