//! The row of a read mark.

use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

pub(crate) fn encode(seq: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(6);
    out.put_u8(VERSION);
    out.put_varint(seq);
    out
}

pub(crate) fn decode(bytes: &[u8]) -> Result<u64, CodecError> {
    let mut r = Reader::new(bytes, "read mark row");
    r.version(VERSION)?;
    let seq = r.varint()?;
    r.end()?;
    Ok(seq)
}
