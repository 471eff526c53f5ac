//! The laws that most targets keep. A reader is given as a function that reads bytes and writes what it read.

use std::fmt::Display;

use data_encoding::HEXLOWER;

use crate::target::{Seen, Verdict};

/// An error's text may be so long, and show the input once, each byte of it escaped as `\u{1b}` or the like.
const ERROR_BYTES: usize = 512;
const ESCAPED: usize = 6;

/// Every value has one form: what is read is written back byte by byte, and is nothing without its last byte or with
/// one more.
pub(crate) fn canonical<E: Display>(input: &[u8], again: impl Fn(&[u8]) -> Result<Vec<u8>, E>) -> Verdict {
    let seen = one_form(input, &again)?;
    if seen == Seen::Taken {
        if let Some((_, cut)) = input.split_last()
            && again(cut).is_ok()
        {
            return Err("it is read without its last byte, too".to_owned());
        }
        if again(&[input, &[0]].concat()).is_ok() {
            return Err("it is read with another byte at its end, too".to_owned());
        }
    }
    Ok(seen)
}

/// As [`canonical`], for formats that go on to the end of their input whatever that is.
pub(crate) fn one_form<E: Display>(input: &[u8], again: impl Fn(&[u8]) -> Result<Vec<u8>, E>) -> Verdict {
    match again(input) {
        Err(error) => refused(input, &error),
        Ok(written) if written == input => Ok(Seen::Taken),
        Ok(written) => Err(format!("it is read, and written as {}", HEXLOWER.encode(&written))),
    }
}

/// What is read has many forms, of which the writer knows one: that is read, and written as it is.
pub(crate) fn settles<E: Display>(input: &[u8], again: impl Fn(&[u8]) -> Result<Vec<u8>, E>) -> Verdict {
    let written = match again(input) {
        Err(error) => return refused(input, &error),
        Ok(written) => written,
    };
    match again(&written) {
        Ok(settled) if settled == written => Ok(Seen::Taken),
        Ok(settled) => {
            Err(format!("written as {}, and then as {}", HEXLOWER.encode(&written), HEXLOWER.encode(&settled)))
        }
        Err(error) => Err(format!("written as {}, which is refused: {error}", HEXLOWER.encode(&written))),
    }
}

/// The input was refused, by an error of bounded length.
pub(crate) fn refused(input: &[u8], error: &dyn Display) -> Verdict {
    let text = error.to_string();
    if text.is_empty() || text.len() > ERROR_BYTES + ESCAPED * input.len() {
        return Err(format!("the error has {} bytes", text.len()));
    }
    Ok(Seen::Refused)
}

/// Fails with what is wrong unless it holds.
pub(crate) fn demand(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}
