//! Values of directives: text to number, and the reason why not.

use std::time::Duration;

/// Longest time that a directive can have. Heartbeat 3.0.6 counts milliseconds in 31 bits.
pub(super) const TIME_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Whether zero is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    Allowed,
    Refused,
}

/// A decimal number with an optional fraction and an optional unit directly attached, rounded to
/// milliseconds. No unit means seconds.
pub(super) fn time(text: &str, zero: Zero) -> Result<Duration, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let micros_per_unit: u128 = match unit {
        "" => 1_000_000,
        "ms" | "msec" => 1000,
        "us" | "usec" => 1,
        _ if number.is_empty() => return Err("not a number"),
        "s" | "sec" => return Err("seconds are written without a unit"),
        _ => return Err("the unit is none of ms, msec, us, usec"),
    };
    let millis = rounded_millis(number, micros_per_unit).ok_or("not a number")?;
    if millis == 0 && zero == Zero::Refused {
        return Err("must be larger than zero (times are rounded to milliseconds)");
    }
    let time = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    if time > TIME_MAX {
        return Err("longer than 24 days");
    }
    Ok(time)
}

/// Digits of a fraction that count; further ones are far below a microsecond.
const FRACTION_DIGITS_MAX: usize = 9;

fn rounded_millis(number: &str, micros_per_unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let parts: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled_micros = whole
        .checked_mul(scale)?
        .checked_add(parts)?
        .checked_mul(micros_per_unit)?;
    Some(scaled_micros.checked_add(500 * scale)? / (1000 * scale))
}

/// `true on yes y 1` and `false off no n 0` in any letter case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal number within bounds.
pub(super) fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("not a number".to_owned());
    }
    match text.parse::<u32>() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ if max == u32::MAX => Err(format!("must be at least {min}")),
        _ => Err(format!("must be {min} to {max}")),
    }
}

/// A time as a person would write it in a file: `1500ms`, `2`.
pub(super) fn show(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_heartbeat_reads_them() {
        for (text, millis) in [
            ("1", 1000),
            ("500ms", 500),
            ("1.5", 1500),
            ("1500000us", 1500),
            ("2msec", 2),
            ("2usec", 0),
            (".5", 500),
            ("1.", 1000),
            ("0.0004", 0),
            ("0.0005", 1),
            ("1.9999", 2000),
        ] {
            assert_eq!(
                time(text, Zero::Allowed),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "2s",
            "2sec",
            "1m",
            "abc",
            "-1",
            "",
            ".",
            "1.2.3",
            "1e3",
            "99999999999999999999999999999999999999999",
        ] {
            assert!(time(text, Zero::Allowed).is_err(), "{text}");
        }
        for text in ["0", "0.0004", "2usec"] {
            assert!(time(text, Zero::Refused).is_err(), "{text}");
        }
        assert!(time("2147483.647", Zero::Allowed).is_ok());
        assert_eq!(
            time("2147483.648", Zero::Allowed),
            Err("longer than 24 days")
        );
    }

    #[test]
    fn booleans_come_in_ten_words_and_any_case() {
        assert_eq!(boolean("YES"), Some(true));
        assert_eq!(boolean("Off"), Some(false));
        assert_eq!(boolean("2"), None);
    }

    #[test]
    fn a_number_out_of_bounds_names_them() {
        assert_eq!(number("255", 0, 255), Ok(255));
        assert_eq!(number("256", 0, 255), Err("must be 0 to 255".to_owned()));
        assert_eq!(number("+1", 0, 255), Err("not a number".to_owned()));
        assert_eq!(
            number("0", 1, u32::MAX),
            Err("must be at least 1".to_owned())
        );
    }
}
