//! SHA-256's compression of two messages at once by the processor's own instructions: each of them waits for the one before, so that
//! a second message fills the gaps of the first. Twelve blocks for each message are the largest part of apply.

/// A message's state and its next blocks.
pub(crate) type Lane<'a> = (&'a mut [u32; 8], &'a [[u8; 64]]);

/// Takes in as many blocks as both messages have, if this processor can. Says how many.
pub(crate) fn compress_both(one: Lane<'_>, other: Lane<'_>) -> usize {
    #[cfg(target_arch = "x86_64")]
    if x86::here() {
        let both = one.1.len().min(other.1.len());
        x86::compress(one, other);
        return both;
    }
    let _ = (one, other);
    0
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected;
    use std::arch::x86_64::*;

    use super::Lane;

    const K: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    pub(super) fn here() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
    }

    #[expect(unsafe_code, reason = "the instructions are not there on every processor; nothing else here is unsafe")]
    pub(super) fn compress(one: Lane<'_>, other: Lane<'_>) {
        // SAFETY: only called where `here` has found these features.
        unsafe { compress_two(one, other) }
    }

    #[target_feature(enable = "sse2")]
    fn load(words: [u32; 4]) -> __m128i {
        let [a, b, c, d] = words.map(|word| word as i32);
        _mm_set_epi32(d, c, b, a)
    }

    /// Four words of a message.
    #[target_feature(enable = "sse2,ssse3")]
    fn words(block: &[u8; 64], at: usize) -> __m128i {
        let half = |at: usize| i64::from_le_bytes(*block[at..].first_chunk().expect("a block has 64 bytes"));
        let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm_shuffle_epi8(_mm_set_epi64x(half(16 * at + 8), half(16 * at)), swap)
    }

    /// The halves of a state as the instructions want them.
    #[target_feature(enable = "sse2,ssse3,sse4.1")]
    fn unpack(state: &[u32; 8]) -> (__m128i, __m128i) {
        let [a, b, c, d, e, f, g, h] = *state;
        (load([f, e, b, a]), load([h, g, d, c]))
    }

    #[target_feature(enable = "sse2,ssse3,sse4.1")]
    fn pack(abef: __m128i, cdgh: __m128i) -> [u32; 8] {
        let words = |v| {
            [_mm_extract_epi32::<3>(v), _mm_extract_epi32::<2>(v), _mm_extract_epi32::<1>(v), _mm_extract_epi32::<0>(v)]
                .map(|word| word as u32)
        };
        let ([a, b, e, f], [c, d, g, h]) = (words(abef), words(cdgh));
        [a, b, c, d, e, f, g, h]
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn schedule(w: &[__m128i; 4]) -> __m128i {
        let some = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8::<4>(w[3], w[2]));
        _mm_sha256msg2_epu32(some, w[3])
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn compress_two(one: Lane<'_>, other: Lane<'_>) {
        let ((mut abef0, mut cdgh0), (mut abef1, mut cdgh1)) = (unpack(one.0), unpack(other.0));
        for (block0, block1) in one.1.iter().zip(other.1) {
            let before = (abef0, cdgh0, abef1, cdgh1);
            let mut w0 = [words(block0, 0), words(block0, 1), words(block0, 2), words(block0, 3)];
            let mut w1 = [words(block1, 0), words(block1, 1), words(block1, 2), words(block1, 3)];
            macro_rules! rounds {
                ($($at:literal)*) => {$(
                    if $at >= 4 {
                        (w0[$at % 4], w1[$at % 4]) = (
                            schedule(&[w0[$at % 4], w0[($at + 1) % 4], w0[($at + 2) % 4], w0[($at + 3) % 4]]),
                            schedule(&[w1[$at % 4], w1[($at + 1) % 4], w1[($at + 2) % 4], w1[($at + 3) % 4]]),
                        );
                    }
                    let k = load(K[$at]);
                    let (t0, t1) = (_mm_add_epi32(w0[$at % 4], k), _mm_add_epi32(w1[$at % 4], k));
                    cdgh0 = _mm_sha256rnds2_epu32(cdgh0, abef0, t0);
                    cdgh1 = _mm_sha256rnds2_epu32(cdgh1, abef1, t1);
                    abef0 = _mm_sha256rnds2_epu32(abef0, cdgh0, _mm_shuffle_epi32::<0x0e>(t0));
                    abef1 = _mm_sha256rnds2_epu32(abef1, cdgh1, _mm_shuffle_epi32::<0x0e>(t1));
                )*};
            }
            rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            abef0 = _mm_add_epi32(abef0, before.0);
            cdgh0 = _mm_add_epi32(cdgh0, before.1);
            abef1 = _mm_add_epi32(abef1, before.2);
            cdgh1 = _mm_add_epi32(cdgh1, before.3);
        }
        (*one.0, *other.0) = (pack(abef0, cdgh0), pack(abef1, cdgh1));
    }
}
