//! Mutations of text by its words, numbers and brackets: JSON, tokens, tables, ids.

use std::ops::Range;

use super::MAX_INPUT;
use crate::rng::Dice;

/// Numbers at which readers may stumble.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "-1",
    "1e400",
    "1e-400",
    "0.5",
    "00",
    "+1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "NaN",
    "\"Infinity\"",
];

/// Text at which readers may stumble.
const PIECES: [&str; 20] = [
    "\u{0}",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "\u{e9}",
    "\u{1f600}",
    "\u{feff}",
    "\n",
    "\r",
    "null",
    "true",
    "{}",
    "[]",
    "[{}]",
    ",",
    ":",
    "-",
    ".",
];

/// One of them.
pub(super) fn step(input: &mut Vec<u8>, words: &[&str], dice: &mut Dice) {
    let tokens = tokens(input);
    let Some(token) = (!tokens.is_empty()).then(|| dice.one_of(&tokens).clone()) else {
        input.extend_from_slice(dice.one_of(&PIECES).as_bytes());
        return;
    };
    let other = input[dice.one_of(&tokens).clone()].to_vec();
    match dice.below(9) {
        0 => drop(input.drain(token)),
        1 => drop(input.splice(token, other)),
        2 => drop(input.splice(token.end..token.end, other)),
        3 => drop(input.splice(token, dice.one_of(&NUMBERS).bytes())),
        4 => drop(input.splice(token.start..token.start, dice.one_of(&PIECES).bytes())),
        5 if !words.is_empty() => drop(input.splice(token, dice.one_of(words).bytes())),
        6 => nest(input, token, dice),
        7 => lengthen(input, token, dice),
        _ => double_between(input, token, dice),
    }
}

/// Brackets around a piece, few or many.
fn nest(input: &mut Vec<u8>, token: Range<usize>, dice: &mut Dice) {
    let depth = 1 << dice.below(12);
    let (open, close) = *dice.one_of(&[("[", "]"), ("{\"a\":", "}"), ("(", ")")]);
    let inner = input[token.clone()].to_vec();
    let nested = [open.repeat(depth).as_bytes(), &inner, close.repeat(depth).as_bytes()].concat();
    input.splice(token, nested);
}

/// A piece many times over.
fn lengthen(input: &mut Vec<u8>, token: Range<usize>, dice: &mut Dice) {
    let piece = input[token.clone()].to_vec();
    let times = dice.small(MAX_INPUT / piece.len());
    input.splice(token, piece.repeat(times.max(1)));
}

/// All between two places again, such as a key and its value.
fn double_between(input: &mut Vec<u8>, token: Range<usize>, dice: &mut Dice) {
    let until = (token.end + dice.small(64)).min(input.len());
    let piece = input[token.start..until].to_vec();
    input.splice(until..until, piece);
}

/// Runs of letters and digits, and every other byte by itself.
fn tokens(input: &[u8]) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for at in 1..=input.len() {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
        if at == input.len() || !(word(input[at]) && word(input[at - 1])) {
            tokens.push(start..at);
            start = at;
        }
    }
    tokens
}
