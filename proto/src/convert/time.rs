//! Times: timestamps for clients, microseconds UTC everywhere else.

use std::time::Duration;

use super::ConvertError;

const MICROS: i64 = 1_000_000;

/// Microseconds since 1970 as a timestamp.
pub fn timestamp(time_us: i64) -> prost_types::Timestamp {
    let micros = time_us.rem_euclid(MICROS);
    prost_types::Timestamp {
        seconds: time_us.div_euclid(MICROS),
        nanos: i32::try_from(micros * 1_000).expect("less than a second"),
    }
}

/// A timestamp as microseconds since 1970, rounded down.
pub fn micros(field: &'static str, time: &prost_types::Timestamp) -> Result<i64, ConvertError> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(ConvertError::new(field, "nanos must be 0 to 999,999,999"));
    }
    let seconds = time.seconds.checked_mul(MICROS);
    let sum = seconds.and_then(|us| us.checked_add(i64::from(time.nanos) / 1_000));
    sum.ok_or_else(|| ConvertError::new(field, "no time that microseconds can hold"))
}

/// A duration as a message; longer than 10,000 years is cut.
pub fn duration(duration: Duration) -> prost_types::Duration {
    const LONGEST: u64 = 315_576_000_000;
    prost_types::Duration {
        seconds: duration.as_secs().min(LONGEST).cast_signed(),
        nanos: duration.subsec_nanos().cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_come_back(us: i64) {
            prop_assert_eq!(micros("time", &timestamp(us)), Ok(us));
        }

        #[test]
        fn any_timestamp_is_read_or_refused(seconds: i64, nanos: i32) {
            let _ = micros("time", &prost_types::Timestamp { seconds, nanos });
        }
    }

    #[test]
    fn times_before_1970_have_positive_nanos() {
        assert_eq!(timestamp(-1), prost_types::Timestamp { seconds: -1, nanos: 999_999_000 });
    }

    #[test]
    fn durations_are_kept() {
        let message = duration(Duration::from_millis(1_500));
        assert_eq!((message.seconds, message.nanos), (1, 500_000_000));
    }
}
