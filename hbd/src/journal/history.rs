//! What the journal and the memory hold of the past, for whoever asks.
//!
//! ```text
//! segments, oldest ... newest      events in memory
//! [ 1 2 3 4 ] [ 5 6 7 8 9 10 11 ]
//!                       [ 9 10 11 12 ]   <- memory counts from its first number on
//! ```
//!
//! A question may read all of the disk, so it is answered in a thread of its own from files that
//! only grow or go. What came after the question was asked is left out.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use shared::api::{ErrorCode, Failure};
use shared::event::{Event, EventId};
use shared::query::{Bound, EventQuery, PAGE_BYTES, PAGE_EVENTS, Related};

use super::record::{Entry, Record};
use super::segment;

/// The past as it was when it was asked for.
#[derive(Debug)]
pub(crate) struct History {
    pub(super) directory: PathBuf,
    /// The last events.
    pub(super) memory: Vec<Record>,
}

/// A stretch of records by number, both ends included.
#[derive(Clone, Copy)]
struct Stretch {
    first: u64,
    last: u64,
}

impl History {
    /// The events that `query` asks for, oldest first: the last ones that fit into a reply.
    pub(crate) fn answer(&self, query: &EventQuery) -> Result<Vec<Event>, Failure> {
        let stretch = self.stretch(query)?;
        let mut page = Page::new(query.limit);
        match &query.related {
            None => self.backwards(stretch, |record| {
                !query.lets_through(&record.event) || page.take(&record.event)
            }),
            Some(Related::CausesOf(id)) => {
                self.number_of(id)?;
                self.causes(id, stretch, query, &mut page);
            }
            Some(Related::EffectsOf(id)) => {
                let first = self.number_of(id)?;
                let stretch = Stretch {
                    first: stretch.first.max(first),
                    ..stretch
                };
                self.effects(id, stretch, query, &mut page);
            }
        }
        Ok(page.oldest_first())
    }

    fn causes(&self, id: &EventId, stretch: Stretch, query: &EventQuery, page: &mut Page) {
        let mut wanted = id.clone();
        let whole = Stretch {
            last: u64::MAX,
            ..stretch
        };
        self.backwards(whole, |record| {
            if record.event.id != wanted {
                return true;
            }
            let fits = record.number <= stretch.last && query.lets_through(&record.event);
            let room = !fits || page.take(&record.event);
            match record.event.caused_by() {
                Some(before) if room => {
                    wanted = before.clone();
                    true
                }
                _ => false,
            }
        });
    }

    /// An effect comes after its cause, so they are found in the order in which they came.
    fn effects(&self, id: &EventId, stretch: Stretch, query: &EventQuery, page: &mut Page) {
        let mut family = BTreeSet::from([id.clone()]);
        let mut found = Vec::new();
        self.forwards(stretch, |record| {
            let event = &record.event;
            let follows = event
                .caused_by()
                .is_some_and(|cause| family.contains(cause));
            if !follows && event.id != *id {
                return;
            }
            if family.len() < FAMILY_MAX {
                family.insert(event.id.clone());
            }
            if query.lets_through(event) {
                found.push(record.number);
            }
        });
        let family: BTreeSet<_> = found.into_iter().collect();
        self.backwards(stretch, |record| {
            !family.contains(&record.number) || page.take(&record.event)
        });
    }

    fn stretch(&self, query: &EventQuery) -> Result<Stretch, Failure> {
        let mut stretch = Stretch {
            first: 0,
            last: self.memory.last().map_or(u64::MAX, |record| record.number),
        };
        if let Some(Bound::Event(id)) = &query.since {
            stretch.first = self.number_of(id)?;
        }
        if let Some(Bound::Event(id)) = &query.until {
            stretch.last = stretch.last.min(self.number_of(id)?);
        }
        if let Some(id) = &query.before {
            stretch.last = stretch.last.min(self.number_of(id)?.saturating_sub(1));
        }
        Ok(stretch)
    }

    fn number_of(&self, id: &EventId) -> Result<u64, Failure> {
        let mut number = None;
        let mut oldest = None;
        let everything = Stretch {
            first: 0,
            last: u64::MAX,
        };
        self.backwards(everything, |record| {
            if record.event.id == *id {
                number = Some(record.number);
            }
            oldest = Some(record.event.clone());
            number.is_none()
        });
        number.ok_or_else(|| Failure {
            code: ErrorCode::NotFound,
            text: match oldest {
                Some(oldest) => format!(
                    "no event {id} is kept; the oldest is {} of {}",
                    oldest.id, oldest.wall
                ),
                None => format!("no event {id} is kept"),
            },
        })
    }

    /// Shows records to `go_on`, newest first, until it says no.
    fn backwards(&self, stretch: Stretch, mut go_on: impl FnMut(&Record) -> bool) {
        for record in self.memory.iter().rev() {
            if record.number > stretch.last {
                continue;
            }
            if record.number < stretch.first || !go_on(record) {
                return;
            }
        }
        for number in self.segments().into_iter().rev() {
            let records = self.segment(number);
            for record in records.iter().rev() {
                if record.number > stretch.last {
                    continue;
                }
                if record.number < stretch.first || !go_on(record) {
                    return;
                }
            }
        }
    }

    /// Shows records to `look`, oldest first.
    fn forwards(&self, stretch: Stretch, mut look: impl FnMut(&Record)) {
        let inside = |record: &&Record| (stretch.first..=stretch.last).contains(&record.number);
        for number in self.segments() {
            self.segment(number)
                .iter()
                .filter(inside)
                .for_each(&mut look);
        }
        self.memory.iter().filter(inside).for_each(look);
    }

    fn segments(&self) -> Vec<u64> {
        segment::numbers(&self.directory).unwrap_or_default()
    }

    /// The records of a segment that memory does not hold. One that went meanwhile has none; what
    /// is damaged was told at the start.
    fn segment(&self, number: u64) -> Vec<Record> {
        let first = self.memory.first().map_or(u64::MAX, |record| record.number);
        let content = segment::read(&segment::path(&self.directory, number)).unwrap_or_default();
        content
            .entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Event(record) => Some(record),
                Entry::Checkpoint { .. } => None,
            })
            .filter(|record| record.number < first)
            .collect()
    }
}

/// Events whose effects are followed.
const FAMILY_MAX: usize = 100_000;

/// Events of a reply, newest first.
struct Page {
    events: Vec<Event>,
    limit: usize,
    bytes: usize,
}

impl Page {
    fn new(limit: usize) -> Self {
        Self {
            events: Vec::new(),
            limit: limit.min(PAGE_EVENTS),
            bytes: 0,
        }
    }

    /// Takes an event; false where there is no room for another.
    fn take(&mut self, event: &Event) -> bool {
        if self.events.len() < self.limit {
            self.bytes += length(event);
            self.events.push(event.clone());
        }
        self.events.len() < self.limit && self.bytes < PAGE_BYTES
    }

    fn oldest_first(mut self) -> Vec<Event> {
        self.events.reverse();
        self.events
    }
}

/// Bytes of an event as it is written.
fn length(event: &Event) -> usize {
    struct Counter(usize);
    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting does not fail, and events are plain data.
    let _ = serde_json::to_writer(&mut counter, event);
    counter.0
}
