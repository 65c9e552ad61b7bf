//! Moments as people read them: how long ago, or the date.

use std::time::Duration;

use shared::api::Snapshot;
use shared::time::{Moment, Now, Wall};
use shared::verdict::SAMPLE_AGE_MAX;
use shared::view::Stamp;

/// How moments are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When the answer was made.
    pub(crate) at: Now,
    /// Dates in place of ages.
    pub(crate) absolute: bool,
}

impl Clock {
    /// A moment that both clocks recorded.
    pub(crate) fn stamp(&self, stamp: Stamp) -> String {
        match self.absolute {
            true => stamp.wall.to_string(),
            false => format!("{} ago", age(self.at.boot.since(stamp.boot))),
        }
    }

    /// A moment that only the clock that decides recorded, seen from `from`. Its date is reckoned
    /// back from now.
    pub(crate) fn moment(&self, moment: Moment, from: Moment) -> String {
        match self.absolute {
            true => self.date(moment).to_string(),
            false => format!("{} ago", age(from.since(moment))),
        }
    }

    /// How far ahead of `from` a moment lies.
    pub(crate) fn ahead(&self, moment: Moment, from: Moment) -> String {
        match self.absolute {
            true => self.date(moment).to_string(),
            false => age(moment.since(from)),
        }
    }

    fn date(&self, moment: Moment) -> Wall {
        let ago = nanos(self.at.boot.since(moment));
        let ahead = nanos(moment.since(self.at.boot));
        Wall(self.at.wall.0.saturating_sub(ago).saturating_add(ahead))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment from which counters are to be read. They are as old as the last second, and so are
/// the ages they hold; but when the core has stopped sending them, ages must grow.
pub(crate) fn of_counters(snapshot: &Snapshot) -> Moment {
    match &snapshot.sample {
        Some(sample) if !is_stale(snapshot) => sample.at,
        _ => snapshot.at.boot,
    }
}

/// True where the core has stopped sending counters, so that what its view says may be old.
pub(crate) fn is_stale(snapshot: &Snapshot) -> bool {
    match &snapshot.sample {
        Some(sample) => snapshot.at.boot.since(sample.at) > SAMPLE_AGE_MAX,
        None => false,
    }
}

/// Milliseconds, as JSON fields and columns that end in `_ms` count.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds with one decimal, for spans that are mostly below one.
pub(crate) fn tenths(span: Duration) -> f64 {
    (span.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A span in its largest unit, as one glance needs it: `0.4s`, `12s`, `3m`, `5h`, `9d`.
pub(crate) fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{}s", span.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_shown_in_its_largest_unit() {
        for (millis, text) in [
            (0, "0.0s"),
            (420, "0.4s"),
            (9_999, "9.9s"),
            (12_000, "12s"),
            (59_999, "59s"),
            (185_000, "3m"),
            (7_200_000, "2h"),
            (90_000_000, "1d"),
        ] {
            assert_eq!(age(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_moment_without_a_date_gets_one_from_now() {
        let clock = Clock {
            at: Now {
                boot: Moment(9_000_000_000),
                wall: Wall(100_000_000_000),
            },
            absolute: true,
        };
        assert_eq!(
            clock.moment(Moment(7_000_000_000), Moment(0)),
            "1970-01-01T00:01:38.000Z"
        );
        assert_eq!(
            clock.ahead(Moment(10_000_000_000), Moment(0)),
            "1970-01-01T00:01:41.000Z"
        );
    }

    #[test]
    fn ages_of_counters_grow_only_when_counters_stop() {
        let at = |millis: u64| Moment(millis * 1_000_000);
        let mut snapshot = Snapshot {
            sample: Some(shared::sample::Sample {
                at: at(5_000),
                ..Default::default()
            }),
            ..Snapshot::default()
        };
        snapshot.at.boot = at(5_900);
        assert_eq!(of_counters(&snapshot), at(5_000));
        snapshot.at.boot = at(9_000);
        assert_eq!(of_counters(&snapshot), at(9_000));
    }
}
