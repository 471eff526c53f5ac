//! Request ids.

use std::{
    fmt,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::dice;

/// Bits of an id that count; those above are drawn once by each process.
const COUNTER_BITS: u32 = 48;

/// Characters of a text that is no id that an error shows: more than an id has.
const SHOWN: usize = 48;

/// The identity of one intent: made once, sent again unchanged with every retry. 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

/// The text was no id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no id: write 32 hexadecimal digits, or a UUID")]
pub struct BadId(String);

impl RequestId {
    /// A new id: 80 bits that this process drew, and a count. Ids that ascend are remembered side by side, which costs the
    /// nodes far less than ids from all over the range.
    pub fn fresh() -> Self {
        static PROCESS: OnceLock<u128> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = PROCESS.get_or_init(|| dice::random::<u128>() >> COUNTER_BITS);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        assert!(count >> COUNTER_BITS == 0, "a process has no use for so many ids");
        Self(process << COUNTER_BITS | u128::from(count))
    }

    /// Its bytes, as their digits are written.
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id with these bytes.
    pub(crate) fn of_bytes(bytes: &[u8; 16]) -> Self {
        Self(u128::from_be_bytes(*bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.bytes()) {
            (digits[0], digits[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl FromStr for RequestId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        canonical(text)
            .and_then(|digits| u128::from_str_radix(&digits, 16).ok())
            .map(Self)
            .ok_or_else(|| BadId(text.chars().take(SHOWN).collect()))
    }
}

/// The canonical form of an id, 32 lower-case hexadecimal digits, from that or from a UUID's text.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let digits = match text.len() {
        32 => text.to_ascii_lowercase(),
        36 => uuid_digits(text)?,
        _ => return None,
    };
    let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then_some(digits)
}

fn uuid_digits(text: &str) -> Option<String> {
    let dashes = [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-');
    dashes.then(|| text.replace('-', "").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_uuids() {
        let id = RequestId::fresh();
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        assert_eq!(RequestId::of_bytes(&id.bytes()), id);
        assert_eq!(RequestId(0x0a0b).to_string(), format!("{:032x}", 0x0a0b));
        let uuid = "0A0b0c0d-0000-1111-2222-333344445555";
        assert_eq!(canonical(uuid).unwrap(), "0a0b0c0d000011112222333344445555");
    }

    #[test]
    fn ids_ascend() {
        let ids: Vec<_> = (0..3).map(|_| RequestId::fresh()).collect();
        assert!(ids.is_sorted() && ids[0] != ids[1]);
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in ["", "abc", "zz0b0c0d000011112222333344445555", "0a0b0c0d+0000+1111+2222+333344445555"] {
            assert!(text.parse::<RequestId>().is_err(), "{text}");
        }
        assert!("x".repeat(1 << 20).parse::<RequestId>().unwrap_err().to_string().len() < 200);
        assert!(canonical("+a0b0c0d000011112222333344445555").is_none());
    }
}
