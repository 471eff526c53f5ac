//! Bytes that are mostly few: they stand in place as long as they fit.

use std::ops::{Deref, DerefMut};

/// Room in place: for the answer to one message in a block of its own, which is what most blocks of requests are.
const IN_PLACE: usize = 47;

#[derive(Clone, Debug)]
pub(crate) enum Small {
    Here { len: u8, bytes: [u8; IN_PLACE] },
    There(Vec<u8>),
}

impl Default for Small {
    fn default() -> Self {
        Self::Here { len: 0, bytes: [0; IN_PLACE] }
    }
}

impl Small {
    pub(crate) fn extend(&mut self, more: &[u8]) {
        match self {
            Self::Here { len, bytes } => {
                let (start, end) = (usize::from(*len), usize::from(*len) + more.len());
                match bytes.get_mut(start..end) {
                    Some(free) => {
                        free.copy_from_slice(more);
                        *len = end as u8;
                    }
                    None => {
                        let mut there = Vec::with_capacity(2 * end);
                        there.extend_from_slice(&bytes[..start]);
                        there.extend_from_slice(more);
                        *self = Self::There(there);
                    }
                }
            }
            Self::There(bytes) => bytes.extend_from_slice(more),
        }
    }
}

impl Deref for Small {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here { len, bytes } => &bytes[..usize::from(*len)],
            Self::There(bytes) => bytes,
        }
    }
}

impl DerefMut for Small {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Here { len, bytes } => &mut bytes[..usize::from(*len)],
            Self::There(bytes) => bytes,
        }
    }
}

impl PartialEq for Small {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Small {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_out_when_they_no_longer_fit() {
        for step in 1..60 {
            let (mut small, mut plain) = (Small::default(), Vec::new());
            for n in 0..9_u8 {
                small.extend(&vec![n; step]);
                plain.extend(vec![n; step]);
                small[0] = n;
                plain[0] = n;
                assert_eq!(*small, *plain);
            }
            assert!(small.len() <= IN_PLACE || matches!(small, Small::There(_)));
        }
    }
}
