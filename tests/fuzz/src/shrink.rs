//! Makes a failing input smaller, so that people see what matters in it.

/// Checks at most; inputs need not be the smallest.
const TRIES: usize = 2_000;

/// A part of the input for which `fails` still holds, with as many zeros as possible.
pub(crate) fn shrink(input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input;
    let mut tries = TRIES;
    let mut attempt = |best: &mut Vec<u8>, candidate: Vec<u8>| {
        tries = tries.saturating_sub(1);
        let better = tries > 0 && fails(&candidate);
        if better {
            *best = candidate;
        }
        better
    };
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            let end = (at + size).min(best.len());
            let without = [&best[..at], &best[end..]].concat();
            if !attempt(&mut best, without) {
                at = end;
            }
        }
        size /= 2;
    }
    for at in 0..best.len() {
        if best[at] != 0 {
            let mut zeroed = best.clone();
            zeroed[at] = 0;
            attempt(&mut best, zeroed);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let input: Vec<u8> = (1..=200).collect();
        let fails = |bytes: &[u8]| bytes.contains(&7) && bytes.contains(&150) && bytes.len() > 2;
        let small = shrink(input, fails);
        assert!(fails(&small) && small.len() == 3, "{small:?}");
        assert_eq!(small.iter().filter(|byte| **byte == 0).count(), 1);
    }
}
