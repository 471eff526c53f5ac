//! The fuzzer can fail: readers with known faults are found out within the inputs that every build gives to each target.

use hansard_fuzz::{Prepared, Seen, Target, Trouble, Verdict};

const INPUTS: u64 = 20_000;
const SEED: u64 = 1;

/// What `read` gets wrong is found, and the input that shows it shows it again.
fn trouble(read: fn(&[u8]) -> Verdict) -> Trouble {
    let prepared = Prepared::new(Target::new("planted", seeds, read));
    let Err(found) = prepared.run(SEED, 0, |number| number == INPUTS) else { panic!("it was not found") };
    assert_eq!(prepared.check(&found.input), Err(found.trouble.clone()), "an input says the same again");
    assert!(found.input.len() < 64, "it is small: {:?}", found.input);
    found.trouble
}

/// Messages as the readers below want them: the length, u32, and so many bytes.
fn seeds() -> Vec<Vec<u8>> {
    [&b"hello"[..], b"", b"a longer one, so that lengths differ"].map(message).to_vec()
}

fn message(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

fn sound(input: &[u8]) -> Result<Vec<u8>, Seen> {
    let (len, text) = input.split_first_chunk::<4>().ok_or(Seen::Refused)?;
    if u32::from_be_bytes(*len) as usize == text.len() { Ok(text.to_vec()) } else { Err(Seen::Refused) }
}

#[test]
fn a_sound_reader_passes() {
    let read = |input: &[u8]| match sound(input) {
        Ok(text) if message(&text) == input => Ok(Seen::Taken),
        Ok(_) => Err("another form".to_owned()),
        Err(refused) => Ok(refused),
    };
    let tally = Prepared::new(Target::new("sound", seeds, read)).run(SEED, 0, |number| number == INPUTS).unwrap();
    assert!(tally.taken > INPUTS / 100 && tally.taken < tally.inputs, "{tally:?}");
}

#[test]
fn a_reader_that_reads_beyond_the_end_is_found() {
    let panics = |input: &[u8]| {
        let Some((len, text)) = input.split_first_chunk::<4>() else { return Ok(Seen::Refused) };
        let len = u32::from_be_bytes(*len) as usize;
        Ok(if text[..len].len() == text.len() { Seen::Taken } else { Seen::Refused })
    };
    assert!(matches!(trouble(panics), Trouble::Panic(what) if what.contains("out of range")));
}

#[test]
fn a_reader_that_believes_a_length_is_found() {
    let allocates = |input: &[u8]| {
        let Some((len, text)) = input.split_first_chunk::<4>() else { return Ok(Seen::Refused) };
        let mut copy: Vec<u8> = Vec::with_capacity(u32::from_be_bytes(*len) as usize & 0x00ff_ffff);
        copy.extend_from_slice(text);
        Ok(if copy.len() == copy.capacity() { Seen::Taken } else { Seen::Refused })
    };
    assert!(matches!(trouble(allocates), Trouble::Memory { .. }));
}

#[test]
fn a_reader_that_takes_two_forms_is_found() {
    let lax = |input: &[u8]| {
        let Some((len, text)) = input.split_first_chunk::<4>() else { return Ok(Seen::Refused) };
        // What follows the message is passed over.
        match text.get(..u32::from_be_bytes(*len) as usize) {
            Some(text) if message(text) == input => Ok(Seen::Taken),
            Some(_) => Err("another form".to_owned()),
            None => Ok(Seen::Refused),
        }
    };
    assert_eq!(trouble(lax), Trouble::Law("another form".to_owned()));
}
