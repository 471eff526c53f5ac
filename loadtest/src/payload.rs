//! What is sent: random text that says who sent it, as which of how many, and when it should have been sent.

/// Bytes of the part that is read back.
pub(crate) const HEADER: usize = 32;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What a text says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Who sent it.
    pub(crate) publisher: u32,
    /// Its number among those of the publisher, from 0.
    pub(crate) counter: u64,
    /// When it should have been sent, microseconds since the test began.
    pub(crate) intended_us: u64,
}

impl Stamp {
    /// Reads a text's stamp; `None` for texts of others.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let field = |from: usize, to: usize| u64::from_str_radix(text.get(from..to)?, 16).ok();
        Some(Self { publisher: u32::try_from(field(0, 8)?).ok()?, counter: field(8, 20)?, intended_us: field(20, 32)? })
    }
}

/// Random text, cheap to make: SplitMix64, six bits a character, which does not compress below three quarters.
pub(crate) struct Writer {
    state: u64,
}

impl Writer {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0: as good as even, for ends far below 2^64.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A text of `bytes` bytes, at least [`HEADER`].
    pub(crate) fn text(&mut self, stamp: Stamp, bytes: usize) -> String {
        use std::io::Write;
        let mut text = Vec::with_capacity(bytes.max(HEADER));
        let Stamp { publisher, counter, intended_us } = stamp;
        write!(text, "{publisher:08x}{:012x}{:012x}", counter & 0xffff_ffff_ffff, intended_us & 0xffff_ffff_ffff)
            .expect("a Vec takes all");
        text.resize(bytes.max(HEADER), 0);
        for chunk in text[HEADER..].chunks_mut(10) {
            let mut bits = self.next();
            for letter in chunk {
                *letter = ALPHABET[(bits & 63) as usize];
                bits >>= 6;
            }
        }
        String::from_utf8(text).expect("letters and digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_is_and_is_random() {
        let stamp = Stamp { publisher: 7, counter: 123_456, intended_us: 9_876_543 };
        let mut writer = Writer::new(1, 2);
        let (one, two) = (writer.text(stamp, 200), writer.text(stamp, 200));
        assert_eq!((one.len(), Stamp::read(&one)), (200, Some(stamp)));
        assert_eq!(Stamp::read(&two), Some(stamp));
        assert_ne!(one, two);
        assert_eq!(Writer::new(1, 2).text(stamp, 200), one, "a seed makes it repeatable");
        let distinct: std::collections::HashSet<_> = one.as_bytes()[HEADER..].windows(3).collect();
        assert!(distinct.len() > 160, "{}", distinct.len());
    }

    #[test]
    fn passes_over_texts_of_others() {
        assert_eq!(Stamp::read("hello"), None);
        assert_eq!(Stamp::read(&"ä".repeat(40)), None);
    }
}
