//! Ranges as Nagios plugins take them for `-w` and `-c`.
//!
//! ```text
//! 10       0 to 10 is good
//! 10:      10 and more is good
//! ~:10     10 and less is good
//! 10:20    10 to 20 is good
//! @10:20   10 to 20 is bad
//! ```

use std::fmt;
use std::str::FromStr;

/// A range; its ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    /// What lies inside is bad, not what lies outside.
    inside_is_bad: bool,
}

impl Range {
    /// Whether to raise an alarm at this value.
    #[must_use]
    pub fn alarms(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value) == self.inside_is_bad
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text} is no range; write for example 10, 10:, ~:10, 10:20 or @10:20");
        let bounds = text.strip_prefix('@').unwrap_or(text);
        let (start, end) = bounds.split_once(':').unwrap_or(("0", bounds));
        let range = Self {
            start: match start {
                "~" => f64::NEG_INFINITY,
                _ => number(start).ok_or_else(wrong)?,
            },
            end: match end {
                "" if bounds.ends_with(':') => f64::INFINITY,
                _ => number(end).ok_or_else(wrong)?,
            },
            inside_is_bad: text.starts_with('@'),
        };
        match range.start <= range.end {
            true => Ok(range),
            false => Err(format!("{text} ends before it begins")),
        }
    }
}

/// Digits, a point, a minus: not all that Rust takes for a number.
fn number(text: &str) -> Option<f64> {
    let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.');
    text.chars().all(is_plain).then(|| text.parse().ok())?
}

/// In its shortest form.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside_is_bad {
            f.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            f.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(f, "{}:", self.start)?;
        }
        match self.end == f64::INFINITY {
            true => Ok(()),
            false => write!(f, "{}", self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range, values that are good, and values that raise an alarm.
    const CASES: &[(&str, &[f64], &[f64])] = &[
        ("10", &[0.0, 5.0, 10.0], &[-0.1, 10.1]),
        ("0", &[0.0], &[1.0, -1.0]),
        ("10:", &[10.0, 1e9], &[9.9, -1.0]),
        ("~:10", &[-1e9, 10.0], &[10.5]),
        ("10:20", &[10.0, 20.0], &[9.0, 21.0]),
        ("@10:20", &[9.0, 21.0], &[10.0, 15.0, 20.0]),
        ("@10", &[10.5, -1.0], &[0.0, 10.0]),
        ("-5:-1.5", &[-5.0, -1.5], &[-1.4, 0.0]),
        ("~:", &[-1e9, 0.0, 1e9], &[]),
        ("@~:0", &[0.1], &[0.0, -7.0]),
    ];

    #[test]
    fn what_lies_outside_raises_an_alarm_or_with_an_at_sign_what_lies_inside() {
        for (text, good, bad) in CASES {
            let range: Range = text.parse().unwrap();
            for value in *good {
                assert!(!range.alarms(*value), "{text} at {value}");
            }
            for value in *bad {
                assert!(range.alarms(*value), "{text} at {value}");
            }
        }
    }

    #[test]
    fn a_range_is_shown_as_it_was_written() {
        for (text, _, _) in CASES {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), *text);
        }
        assert_eq!("0:10".parse::<Range>().unwrap().to_string(), "10");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "", ":", ":10", "@", "a", "1:b", "20:10", "1:2:3", "~", "nan", "inf:", "1e3", "10:~",
            "+1",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
