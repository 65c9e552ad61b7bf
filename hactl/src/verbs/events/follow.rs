//! `hactl events --follow`: what happened, and what happens, over restarts of hbd.
//!
//! ```text
//! first   journal: the last that fit         | recent: after those         | stream
//! again   journal: from the last that came   | recent: what is not known   | stream
//! ```
//!
//! Every event that comes is known from then on, whether it is shown or not. When the daemon is back,
//! its journal tells what happened since the newest of them, and what is known is left out: a
//! supervisor that died may have taken its last events with it, and the core tells its own again.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use shared::api::ErrorCode;
use shared::client::{Client, ClientError, Subscription, Update};
use shared::event::{Event, EventId};
use shared::exit::Exit;
use shared::query::{Bound, EventQuery};
use shared::time::Now;

use super::COLUMNS;
use crate::cli::Call;
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns;
use crate::print::json as write_json;
use crate::print::table::Table;
use crate::verbs::{again, look, output, something_new};

/// More events than a daemon keeps in memory.
const ALL_RECENT: usize = 1_000_000;
/// Events that are known: more than a daemon keeps in memory.
const KNOWN_MAX: usize = 4096;
/// So many of the newest may have gone with the supervisor that told them.
const GONE_MAX: usize = 16;

/// Shows past events, then everything that comes, until nobody reads.
pub(super) fn follow(call: &Call, client: Client, query: EventQuery) -> Result<Exit, Error> {
    let mut follower = Follower {
        query,
        shown: Shown::start(call),
        known: Known::default(),
    };
    let mut stream = follower.begin(client)?;
    loop {
        let lost = match follower.go_on(&mut stream) {
            Ok(()) => return Ok(Exit::Done),
            Err(Error::Client(error)) if again::passes(&error) => error,
            Err(error) => return Err(error),
        };
        drop(stream);
        crate::complain(&format!("{lost}; waiting until it answers again"));
        match again::connect(call, |client| follower.catch_up(client))? {
            Some(next) => stream = next,
            None => return Ok(Exit::Done),
        }
    }
}

struct Follower {
    query: EventQuery,
    shown: Shown,
    known: Known,
}

impl Follower {
    fn begin(&mut self, mut client: Client) -> Result<Subscription, Error> {
        let past = client.find_events(self.query.clone())?;
        let mut stream = client.subscribe(ALL_RECENT)?;
        let recent = recent(&mut stream)?;
        self.shown.write(&past)?;
        for event in after(&recent, past.last(), self.query.since.as_ref()) {
            if self.query.limit > 0 && self.query.lets_through(event) {
                self.shown.write(std::slice::from_ref(event))?;
            }
        }
        for event in past.into_iter().chain(recent) {
            self.known.note(event.id);
        }
        Ok(stream)
    }

    /// Shows what comes until nobody reads.
    fn go_on(&mut self, stream: &mut Subscription) -> Result<(), Error> {
        loop {
            match stream.wait(Some(Duration::ZERO))? {
                Some(Update::Event(event)) => self.take(*event)?,
                Some(Update::Snapshot(_)) => {
                    crate::complain("events were lost here: they came faster than they were read");
                }
                Some(Update::Sample(_)) => {}
                None if something_new(stream)? => {}
                None => return Ok(()),
            }
        }
    }

    /// Shows what happened while nobody answered.
    fn catch_up(&mut self, mut client: Client) -> Result<Subscription, Error> {
        let missed = self.missed(&mut client)?;
        let mut stream = client.subscribe(ALL_RECENT)?;
        let recent = recent(&mut stream)?;
        crate::complain(match missed {
            Some(_) => "hbd answers again; what happened meanwhile follows",
            None => {
                "hbd answers again and does not know the events shown last: some may be missing here"
            }
        });
        for event in missed.into_iter().flatten().chain(recent) {
            self.take(event)?;
        }
        Ok(stream)
    }

    /// What the journal tells from the newest known event on. Nothing where it knows none of them.
    fn missed(&self, client: &mut Client) -> Result<Option<Vec<Event>>, Error> {
        if self.known.is_empty() {
            return Ok(Some(Vec::new()));
        }
        for id in self.known.newest().take(GONE_MAX) {
            let query = EventQuery {
                since: Some(Bound::Event(id.clone())),
                limit: usize::MAX,
                ..self.query.clone()
            };
            match client.find_events(query) {
                Ok(events) => return Ok(Some(events)),
                Err(ClientError::Refused { failure, .. })
                    if failure.code == ErrorCode::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Shows an event unless it is known or not asked for.
    fn take(&mut self, event: Event) -> Result<(), Error> {
        if self.known.has(&event.id) {
            return Ok(());
        }
        if self.query.lets_through(&event) {
            self.shown.write(std::slice::from_ref(&event))?;
        }
        self.known.note(event.id);
        Ok(())
    }
}

/// The recent events, which are there with the reply to the subscription.
fn recent(stream: &mut Subscription) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    while let Some(update) = stream.wait(Some(Duration::ZERO))? {
        match update {
            Update::Event(event) => events.push(*event),
            Update::Snapshot(_) => break,
            Update::Sample(_) => {}
        }
    }
    Ok(events)
}

/// What came after the last event of the past: between the question for it and the subscription. Where
/// nothing of the past was asked for, what came after the event from which on it was.
fn after<'a>(recent: &'a [Event], last: Option<&Event>, since: Option<&Bound>) -> &'a [Event] {
    let is_end = |event: &Event| {
        last.is_some_and(|last| last.id == event.id)
            || since == Some(&Bound::Event(event.id.clone()))
    };
    let end = recent.iter().rposition(is_end);
    &recent[end.map_or(0, |place| place + 1)..]
}

/// The last events that came, newest last.
#[derive(Default)]
struct Known(VecDeque<EventId>);

impl Known {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, id: &EventId) -> bool {
        self.newest().any(|known| known == id)
    }

    fn newest(&self) -> impl Iterator<Item = &EventId> {
        self.0.iter().rev()
    }

    fn note(&mut self, id: EventId) {
        if self.0.len() == KNOWN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }
}

/// What was shown so far.
struct Shown {
    /// Nothing where lines of JSON are wanted.
    table: Option<Table<'static, Event>>,
    headings: bool,
}

impl Shown {
    fn start(call: &Call) -> Self {
        let look = look(call);
        let selected = columns::select(COLUMNS, call.words("columns"));
        Self {
            table: (!call.flag("jsonl")).then(|| Table::start(selected, look)),
            headings: look.headings,
        }
    }

    /// Writes and flushes, since a reader waits for each.
    fn write(&mut self, events: &[Event]) -> Result<(), Error> {
        let mut out = output();
        match &mut self.table {
            None => {
                for event in events {
                    write_json(&mut out, event, false)?;
                }
            }
            Some(table) => {
                let clock = Clock {
                    at: Now::default(),
                    absolute: true,
                };
                table.write(&mut out, events, &clock, self.headings)?;
                self.headings = false;
            }
        }
        Ok(out.flush()?)
    }
}
