use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::raft::node_info::Member;
use crate::raft::types::StoredMembership;
use crate::raft::wire as convert;

fn node(name: &str) -> Member {
    Member { name: name.into(), site: "boston".into(), address: "h:1".into() }
}

fn members() -> Membership {
    let nodes = BTreeMap::from([(1, node("a")), (2, node("b"))]);
    Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).unwrap()
}

fn golden(name: &str) -> Vec<u8> {
    let text = match name {
        "membership" => include_str!("golden/membership_v1.hex"),
        _ => include_str!("golden/stored_membership_v1.hex"),
    };
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn payloads_have_the_bytes_of_the_golden_files() {
    assert_eq!(encode_payload(&Payload::Membership(members())), golden("membership"));
    let stored = StoredMembership::new(Some(log_id(3, 7)), members());
    assert_eq!(membership::encode_stored(&stored), golden("stored"));
    assert_eq!(encode_payload(&Payload::Blank)[..], [1, 0]);
    let mut batch = batch_payload(3);
    batch.extend_from_slice(b"abc");
    assert_eq!(encode_payload(&Payload::Normal(Proposal::stored(batch.freeze())))[..], *b"\x01\x01abc");
}

#[test]
fn payloads_come_back() {
    let batch = Payload::Normal(Proposal::stored(Bytes::from_static(b"\x01\x01abc")));
    for payload in [Payload::Blank, batch, Payload::Membership(members()), Payload::Membership(Membership::default())] {
        assert_eq!(decode_payload(encode_payload(&payload)).unwrap(), payload);
    }
    for stored in [StoredMembership::default(), StoredMembership::new(Some(log_id(3, 7)), members())] {
        assert_eq!(membership::decode_stored(&membership::encode_stored(&stored)).unwrap(), stored);
    }
    assert_eq!(membership::decode_stored(&[]).unwrap(), StoredMembership::default());
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    assert_eq!(decode_payload(Bytes::from_static(&[2, 0])), Err(PayloadError::Version(2)));
    assert_eq!(decode_payload(Bytes::from_static(&[1, 9])), Err(PayloadError::Kind(9)));
    assert!(matches!(decode_payload(Bytes::from_static(&[1])), Err(PayloadError::Malformed(_))));
    assert!(matches!(decode_payload(Bytes::from_static(&[1, 0, 0])), Err(PayloadError::Malformed(_))));
    let whole = golden("membership");
    for cut in 2..whole.len() {
        assert!(decode_payload(Bytes::copy_from_slice(&whole[..cut])).is_err(), "cut at {cut}");
    }
}

#[test]
fn an_entry_keeps_the_frame_it_came_in() {
    let stored = LogEntry::new(3, 7, &[1, 0]);
    let mut entry = Entry::from_stored(stored.clone()).unwrap();
    assert_eq!(entry.to_stored().encoded().as_ptr(), stored.encoded().as_ptr());
    entry.set_log_id(log_id(4, 7));
    assert_eq!((entry.to_stored().term, entry.to_stored().index), (4, 7));
}

#[test]
fn a_membership_has_one_form() {
    let whole = golden("membership");
    // After version, kind, two configurations of one and two voters: the two ids of the second.
    let second = 2 + 1 + 2 + 8 + 2;
    let mut turned = whole.clone();
    turned[second..second + 16].rotate_left(8);
    assert!(matches!(decode_payload(turned.into()), Err(PayloadError::Malformed(_))));
    let mut twice = whole;
    twice.copy_within(second..second + 8, second + 8);
    assert!(matches!(decode_payload(twice.into()), Err(PayloadError::Malformed(_))));
}

#[test]
fn a_membership_that_no_log_can_keep_is_refused() {
    use hansard_proto::cluster::v1 as wire;
    let node = wire::NodeInfo { id: 1, ..wire::NodeInfo::default() };
    let one = wire::VoterSet { nodes: vec![1] };
    let kept = wire::Membership { voters: vec![one.clone()], nodes: vec![node.clone()], log_id: None };
    assert!(convert::to_membership(kept.clone()).is_ok());
    assert!(convert::to_membership(wire::Membership { voters: vec![one; 256], ..kept.clone() }).is_err());
    let long = wire::NodeInfo { name: "x".repeat(65_536), ..node };
    assert!(convert::to_membership(wire::Membership { nodes: vec![long], ..kept }).is_err());
}

#[test]
fn no_entry_follows_the_last_index() {
    use hansard_proto::cluster::v1 as wire;
    let append = wire::Append {
        vote: Some(wire::Vote { term: 1, node: 1, committed: true }),
        previous: Some(wire::LogId { term: 1, index: u64::MAX }),
        entries: vec![LogEntry::new(1, 0, &[1, 0]).encoded()],
        ..wire::Append::default()
    };
    assert!(convert::to_append(append).is_err());
}

#[test]
fn what_an_entry_came_in_is_not_kept_with_it() {
    use hansard_proto::cluster::v1 as wire;
    let sent = LogEntry::new(1, 1, &[1, 0]).encoded();
    let received = Bytes::from([&[0; 1_000], &sent[..]].concat());
    let append = wire::Append {
        vote: Some(wire::Vote { term: 1, node: 1, committed: true }),
        entries: vec![received.slice(1_000..)],
        ..wire::Append::default()
    };
    let read = convert::to_append(append).unwrap();
    assert_eq!(read.entries[0].to_stored().encoded(), sent);
    assert!(received.is_unique(), "the entry holds on to what it came in");
}
