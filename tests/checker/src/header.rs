//! The canonical header of a record entry, version 1, read anew from its description: version u8, kind u16, presence u16,
//! shard 16 bytes, index u64, time i64, actor 16, request 16, policy u64, rule u16; then, if bit 0 is set, the room, 16 bytes,
//! and if bit 1 is, the seq, u64. What follows is of no concern here. Integers are big-endian.

use anyhow::{Context, Result, ensure};

/// The number of the kind "message".
const MESSAGE: u16 = 2;

/// What the checks need of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its number; 2 is a message.
    pub kind: u16,
    /// The shard whose record it is in.
    pub shard: u128,
    /// The place in it, from 0.
    pub index: u64,
    /// Microseconds UTC.
    pub time_us: i64,
    /// The client's id for the intent.
    pub request: u128,
    /// Room and seq, where it is an entry of a room.
    pub place: Option<(u128, u64)>,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// When it is cut short, or of another version.
    pub fn read(mut bytes: &[u8]) -> Result<Self> {
        let from = &mut bytes;
        let [version] = take(from)?;
        ensure!(version == 1, "a header of version {version}");
        let (kind, presence) = (u16::from_be_bytes(take(from)?), u16::from_be_bytes(take(from)?));
        let shard = u128::from_be_bytes(take(from)?);
        let (index, time_us) = (u64::from_be_bytes(take(from)?), i64::from_be_bytes(take(from)?));
        let _actor: [u8; 16] = take(from)?;
        let request = u128::from_be_bytes(take(from)?);
        let _policy_and_rule: [u8; 10] = take(from)?;
        let place = match presence & 3 {
            3 => Some((u128::from_be_bytes(take(from)?), u64::from_be_bytes(take(from)?))),
            _ => None,
        };
        Ok(Self { kind, shard, index, time_us, request, place })
    }

    /// Whether it is something that a client sent.
    pub fn is_message(&self) -> bool {
        self.kind == MESSAGE
    }
}

/// The text in a content: the value of its field 1; empty if it has none.
pub(crate) fn text(content: &[u8]) -> Result<&[u8]> {
    let Some((&field, mut rest)) = content.split_first() else { return Ok(&[]) };
    if field != 1 {
        return Ok(&[]);
    }
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let [byte] = take(&mut rest)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return rest.get(..length).context("a content is cut short");
        }
    }
    anyhow::bail!("a content's length is too long")
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = from.split_first_chunk().context("a header is cut short")?;
    *from = rest;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_text_of_a_content() {
        assert_eq!(text(b"\x01\x02hi\x04\x03why").unwrap(), b"hi");
        assert_eq!(text(b"\x02\x02hi").unwrap(), b"");
        assert_eq!(text(b"").unwrap(), b"");
        let long = [&[1, 0xac, 0x02][..], &[b'x'; 300]].concat();
        assert_eq!(text(&long).unwrap().len(), 300);
        assert!(text(b"\x01\x05hi").is_err());
    }

    #[test]
    fn refuses_what_is_cut_short() {
        assert!(Header::read(&[1; 20]).is_err());
        assert!(Header::read(&[2; 200]).is_err());
    }
}
