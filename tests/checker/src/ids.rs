//! Ids as numbers, and short digests of texts.

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;

/// An id of 32 hexadecimal digits as a number.
///
/// # Errors
/// When the text is something else.
pub fn hex_id(text: &str) -> Result<u128> {
    ensure!(text.len() == 32, "{text:?} is no id of 32 hexadecimal digits");
    u128::from_str_radix(text, 16).with_context(|| format!("{text:?} is no id of 32 hexadecimal digits"))
}

/// Bytes from hexadecimal digits into `out`, which is emptied first.
pub(crate) fn unhex(text: &str, out: &mut Vec<u8>) -> Result<()> {
    out.resize(HEXLOWER.decode_len(text.len()).context("an odd number of hexadecimal digits")?, 0);
    HEXLOWER
        .decode_mut(text.as_bytes(), out)
        .map_err(|error| anyhow::anyhow!("no hexadecimal digits: {:?}", error.error))?;
    Ok(())
}

/// 64 bits that stand for a text (FNV-1a): texts are compared by them, so two texts that differ are taken for equal once in
/// 2^64 pairs.
pub fn digest(text: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_and_bytes() {
        assert_eq!(hex_id("000000000000000000000000000000ff").unwrap(), 255);
        assert!(hex_id("ff").is_err());
        let mut bytes = vec![9; 9];
        unhex("00ff10", &mut bytes).unwrap();
        assert_eq!(bytes, [0, 255, 16]);
        assert!(unhex("0g", &mut bytes).is_err());
    }

    #[test]
    fn digests_are_fnv_1a() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
