//! Keeps a log readable while something changes all the time.
//!
//! Of records of one sort about one object the first few of a minute are admitted. The others are
//! counted, and a line at the end of that minute says how many there were.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::event::{Kind, Severity};
use shared::time::{Moment, Now};

use super::record::Record;

/// What the log counts as one minute.
const WINDOW: Duration = Duration::from_secs(60);
/// So many of one sort are written in it.
const ADMITTED: u64 = 10;
/// Sorts that are told apart; all others are one.
const SORTS_MAX: usize = 1024;

/// Counts by sort.
#[derive(Default)]
pub(super) struct Limiter {
    windows: BTreeMap<String, Window>,
}

struct Window {
    end: Moment,
    seen: u64,
    worst: Severity,
}

impl Limiter {
    /// True if the record is to be written.
    pub(super) fn admits(&mut self, record: &Record, now: Moment) -> bool {
        let mut sort = sort(record);
        if self.windows.len() >= SORTS_MAX && !self.windows.contains_key(&sort) {
            sort = "anything else".to_owned();
        }
        let window = self.windows.entry(sort).or_insert(Window {
            end: now + WINDOW,
            seen: 0,
            worst: Severity::Info,
        });
        window.seen += 1;
        if window.seen <= ADMITTED {
            return true;
        }
        window.worst = window.worst.max(record.severity);
        false
    }

    /// When the first minute ends.
    pub(super) fn next_end(&self) -> Option<Moment> {
        self.windows.values().map(|window| window.end).min()
    }

    /// A line for each sort of which some were kept back in a minute that is over.
    pub(super) fn ended(&mut self, now: Now) -> Vec<Record> {
        let (over, open) = std::mem::take(&mut self.windows)
            .into_iter()
            .partition(|(_, window)| window.end <= now.boot);
        self.windows = open;
        summaries(over, now)
    }

    /// As [`Limiter::ended`], for all minutes, over or not.
    pub(super) fn all(&mut self, now: Now) -> Vec<Record> {
        summaries(std::mem::take(&mut self.windows), now)
    }
}

fn summaries(windows: BTreeMap<String, Window>, now: Now) -> Vec<Record> {
    windows
        .into_iter()
        .filter(|(_, window)| window.seen > ADMITTED)
        .map(|(sort, window)| {
            let more = window.seen - ADMITTED;
            let text = format!("... and {more} more in {} s: {sort}", WINDOW.as_secs());
            Record::line(now.wall, window.worst, &text)
        })
        .collect()
}

/// What is counted together: a kind of event about an object, one state of a group on a node, or
/// equal lines.
fn sort(record: &Record) -> String {
    let Some(event) = &record.event else {
        return record.text.clone();
    };
    let (kind, object) = (event.kind.word(), &event.object);
    match &event.kind {
        Kind::GroupState { node, to, .. } => format!("{kind} {to} of {object} on {node}"),
        _ => format!("{kind} of {object}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::Wall;

    fn at(seconds: u64) -> Now {
        Now {
            boot: Moment(seconds * 1_000_000_000),
            wall: Wall(seconds * 1_000_000_000),
        }
    }

    fn line(text: &str) -> Record {
        Record::line(Wall(0), Severity::Warning, text)
    }

    #[test]
    fn the_first_of_a_minute_are_written_and_the_others_counted() {
        let mut limiter = Limiter::default();
        let admitted = (0..51).filter(|_| limiter.admits(&line("flap"), at(5).boot));
        assert_eq!(admitted.count(), 10);
        assert!(limiter.admits(&line("another"), at(6).boot));
        assert_eq!(limiter.next_end(), Some(at(65).boot));
        assert!(limiter.ended(at(64)).is_empty());
        let summaries = limiter.ended(at(65));
        let [summary] = &summaries[..] else {
            panic!("one sort was kept back: {summaries:?}");
        };
        assert_eq!(summary.text, "... and 41 more in 60 s: flap");
        assert_eq!(summary.severity, Severity::Warning);
        assert!(limiter.admits(&line("flap"), at(65).boot), "a new minute");
    }

    #[test]
    fn more_sorts_than_are_told_apart_count_as_one() {
        let mut limiter = Limiter::default();
        for number in 0..SORTS_MAX + 30 {
            limiter.admits(&line(&number.to_string()), at(0).boot);
        }
        assert_eq!(limiter.windows.len(), SORTS_MAX + 1);
        let summaries = limiter.all(at(1));
        assert_eq!(summaries.len(), 1);
        assert_eq!(summaries[0].text, "... and 20 more in 60 s: anything else");
        assert_eq!(limiter.next_end(), None);
    }
}
