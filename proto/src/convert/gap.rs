//! Gaps: the reasons' numbers are the same everywhere.

use hansard_domain::{Gap, GapReason, RoomId};

use super::{ConvertError, text};
use crate::{cluster, v1};

impl From<Gap> for cluster::v1::SeqGap {
    fn from(gap: Gap) -> Self {
        Self { from_seq: gap.from, to_seq: gap.to, reason: gap.reason as u32 }
    }
}

impl TryFrom<&cluster::v1::SeqGap> for Gap {
    type Error = ConvertError;

    fn try_from(gap: &cluster::v1::SeqGap) -> Result<Self, ConvertError> {
        if gap.from_seq == 0 || gap.from_seq > gap.to_seq {
            return Err(ConvertError::new("from_seq", "a gap starts at 1 or later, and not after its end"));
        }
        Ok(Self { from: gap.from_seq, to: gap.to_seq, reason: reason_of(gap.reason)? })
    }
}

/// The gap as clients see it.
impl From<(RoomId, Gap)> for v1::Gap {
    fn from((room, gap): (RoomId, Gap)) -> Self {
        Self { room: text(room), from_seq: gap.from, to_seq: gap.to, reason: i32::from(gap.reason as u8) }
    }
}

fn reason_of(number: u32) -> Result<GapReason, ConvertError> {
    let all = [GapReason::Withheld, GapReason::BeforeMembership, GapReason::Retention, GapReason::Erased];
    let found = all.into_iter().find(|reason| *reason as u32 == number);
    found.ok_or_else(|| ConvertError::new("reason", format!("{number} is not the reason of a gap")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gaps_come_back(from in 1_u64.., length: u16, number in 1_u32..=4) {
            let gap = Gap { from, to: from.saturating_add(length.into()), reason: reason_of(number).unwrap() };
            prop_assert_eq!(Gap::try_from(&cluster::v1::SeqGap::from(gap)), Ok(gap));
            let shown = v1::Gap::from((RoomId::from_bytes([7; 16]), gap));
            prop_assert_eq!(shown.reason().as_str_name().is_empty(), false);
            prop_assert_eq!(u32::try_from(shown.reason).unwrap(), number);
        }
    }

    #[test]
    fn impossible_gaps_are_refused() {
        for (from_seq, to_seq, reason) in [(0, 1, 1), (2, 1, 1), (1, 2, 0), (1, 2, 5)] {
            assert!(Gap::try_from(&cluster::v1::SeqGap { from_seq, to_seq, reason }).is_err());
        }
    }
}
