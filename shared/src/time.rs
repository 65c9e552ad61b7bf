//! Two kinds of time that must never be mixed.
//!
//! [`Moment`] decides: it counts since boot (`CLOCK_BOOTTIME`, which goes on while the machine
//! sleeps) and never jumps. [`Wall`] annotates: a person reads it, the wire's `ts` carries it, and
//! it may jump in either direction at any moment.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the machine booted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    /// Saturates at the end of time.
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    /// Saturates at boot.
    fn sub(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

/// Nanoseconds since 1970-01-01 00:00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub u64);

impl Wall {
    /// Whole seconds, as `time(2)` counts.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds: `2026-11-22T11:00:00.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.seconds() / 86_400, self.seconds() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let millis = self.0 / 1_000_000 % 1000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// A text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTime;

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is for example 2026-11-22T11:00:00Z or 2026-11-22T11:00, in UTC")
    }
}

impl std::error::Error for BadTime {}

impl std::str::FromStr for Wall {
    type Err = BadTime;

    /// Reads RFC 3339 and its shorter forms: `2026-11-22`, `2026-11-22T11:00`, with a blank for `T`,
    /// with up to nine digits of a second. Without an offset it is UTC.
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, time),
            None => (text, "00:00"),
        };
        let (time, offset) = split_offset(time)?;
        let seconds = days_of(date)? * 86_400 + offset;
        let mut parts = time.split(':');
        let mut part = |max| number(parts.next().unwrap_or("x"), 2, max);
        let (hour, minute) = (part(23)?, part(59)?);
        let (second, nanos) = match parts.next() {
            Some(second) => second_of(second)?,
            None => (0, 0),
        };
        if parts.next().is_some() {
            return Err(BadTime);
        }
        let seconds = seconds + hour * 3600 + minute * 60 + second;
        let nanoseconds = u64::try_from(seconds).map_err(|_| BadTime)?;
        Ok(Self(nanoseconds.saturating_mul(1_000_000_000) + nanos))
    }
}

/// The time without its offset, and what the offset adds to reach UTC, in seconds.
fn split_offset(time: &str) -> Result<(&str, i64), BadTime> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Ok((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Ok((time, 0));
    };
    let (hours, minutes) = time[at + 1..].split_once(':').ok_or(BadTime)?;
    let seconds = number(hours, 2, 23)? * 3600 + number(minutes, 2, 59)? * 60;
    let sign = if time[at..].starts_with('+') { -1 } else { 1 };
    Ok((&time[..at], sign * seconds))
}

/// Whole seconds and nanoseconds of `07` or `07.25`.
fn second_of(text: &str) -> Result<(i64, u64), BadTime> {
    let (second, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = fraction.len();
    if !(1..=9).contains(&digits) {
        return Err(BadTime);
    }
    let fraction = number(fraction, digits, i64::MAX)?.unsigned_abs();
    let scale = 10_u64.pow(9 - u32::try_from(digits).map_err(|_| BadTime)?);
    Ok((number(second, 2, 60)?, fraction * scale))
}

/// Exactly `digits` digits, at most `max`.
fn number(text: &str, digits: usize, max: i64) -> Result<i64, BadTime> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadTime);
    }
    let number = text.parse().map_err(|_| BadTime)?;
    if number > max {
        Err(BadTime)
    } else {
        Ok(number)
    }
}

/// Days from 1970-01-01 to a date that exists.
fn days_of(date: &str) -> Result<i64, BadTime> {
    let mut parts = date.split('-');
    let mut part = |digits, max| number(parts.next().unwrap_or("x"), digits, max);
    let (year, month, day) = (part(4, 9999)?, part(2, 12)?, part(2, 31)?);
    if parts.next().is_some() || year < 1970 || month < 1 {
        return Err(BadTime);
    }
    // Years start in March here, as in `civil`.
    let march_year = year - i64::from(month <= 2);
    let march_month = (month + 9) % 12;
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let days = march_year * 365 + leap_days + (153 * march_month + 2) / 5 + day - 1 - 719_468;
    let found = civil(days.unsigned_abs());
    let same = found
        == (
            year.unsigned_abs(),
            month.unsigned_abs(),
            day.unsigned_abs(),
        );
    if same { Ok(days) } else { Err(BadTime) }
}

/// The civil date `days` after 1970-01-01, proleptic Gregorian. Years start in March here, so that
/// the leap day is the last day of a year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// What every input of the pure crates carries last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Decides.
    pub boot: Moment,
    /// Annotates.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_reads_as_rfc_3339() {
        assert_eq!(Wall(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Wall(951_782_399_999_000_000).to_string(),
            "2000-02-28T23:59:59.999Z"
        );
        assert_eq!(
            Wall(951_782_400_000_000_000).to_string(),
            "2000-02-29T00:00:00.000Z"
        );
    }

    #[test]
    fn a_wall_time_survives_its_text() {
        for seconds in [0, 68_169_599, 951_782_400, 1_795_350_132, 4_107_542_399] {
            let wall = Wall(seconds * 1_000_000_000 + 128_000_000);
            assert_eq!(wall.to_string().parse(), Ok(wall));
        }
    }

    #[test]
    fn shorter_forms_and_offsets_are_times_too() {
        let read = |text: &str| text.parse::<Wall>().map(|wall| wall.to_string());
        for (text, meant) in [
            ("2026-11-22", "2026-11-22T00:00:00.000Z"),
            ("2026-11-22 11:30", "2026-11-22T11:30:00.000Z"),
            ("2026-11-22T11:30:07", "2026-11-22T11:30:07.000Z"),
            ("2026-11-22t11:30:07.25z", "2026-11-22T11:30:07.250Z"),
            ("2026-11-22T01:30+02:00", "2026-11-21T23:30:00.000Z"),
            ("2026-11-22T23:30:00-00:45", "2026-11-23T00:15:00.000Z"),
            ("2028-02-29", "2028-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(read(text), Ok(meant.to_owned()), "{text}");
        }
        for text in [
            "",
            "now",
            "11:00",
            "2026-11-22T",
            "2026-11-22T24:00",
            "2026-11-22T11",
            "2027-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-11-00",
            "1969-12-31",
            "2026-11-22T11:00:00.",
            "1970-01-01T00:00+01:00",
            "2026-11-22T11:00+2",
            "2026-1-2",
            "2026-11-22T11:00:00.1234567890",
        ] {
            assert_eq!(read(text), Err(BadTime), "{text}");
        }
    }

    #[test]
    fn moments_saturate_and_never_wrap() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!(Moment(u64::MAX) + Duration::from_secs(1), Moment(u64::MAX));
        assert_eq!(Moment(1) - Duration::from_secs(1), Moment(0));
    }
}
