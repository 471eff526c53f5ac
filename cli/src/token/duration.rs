//! Spans of time as people write them.

use std::time::Duration;

/// Reads `90s`, `15m`, `12h`, `30d`, or several of them in a row (`1h30m`).
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no span of time; write it like 90s, 15m, 12h or 30d");
    let mut seconds = 0_u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest[digits..].chars().next().ok_or_else(wrong)? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let seconds = |text| parse(text).map(|span| span.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30d"), Ok(2_592_000));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        for wrong in ["", "0s", "h", "5", "5y", "-1s", "1.5h", "999999999999999999d", "5é"] {
            assert!(seconds(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
