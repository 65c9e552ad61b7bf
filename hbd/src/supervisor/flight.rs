//! Flight records: made after a death of the core, after a stall, and by order.
//!
//! One that nobody waits for and that cannot be written stays in memory, and is tried again until it
//! can be, or the next one takes its place. Whoever ordered one is told that it failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use shared::api::{ErrorCode, Failure, Success};
use shared::event::{Cause, EventId, Kind, Severity};
use shared::time::{Moment, Wall};
use tokio::sync::mpsc;

use super::Supervisor;
use super::requests::Asked;
use crate::channel::Lack;
use crate::clock;
use crate::flight::{self, Reason};
use crate::thread;

/// What is to be written.
#[derive(Debug)]
struct Record {
    image: Vec<u8>,
    made: Wall,
    reason: Reason,
    cause: Option<Cause>,
}

/// A record that was to be kept.
#[derive(Debug)]
pub(super) struct Kept {
    result: io::Result<PathBuf>,
    record: Record,
    asked: Option<Asked>,
}

/// What a flight recorder held.
pub(super) type Flight = io::Result<Vec<u8>>;

/// A machine that stalls all the time leaves one record in this time, so that those of deaths stay;
/// and one for a stall that is twice as long.
const STALLS_APART: Duration = Duration::from_secs(3600);

/// What is missing where a record cannot be written.
const LACK: &str = "a flight record";
const REMEDY: &str = "make room, or let the user hbd runs as write there";

/// Where records go.
pub(super) struct Flights {
    state: PathBuf,
    tell: mpsc::Sender<Kept>,
    /// When a stall was last worth a record, and how long it was.
    stall: Option<(Moment, Duration)>,
    /// The last one that could not be written.
    unwritten: Option<Record>,
}

impl Flights {
    /// Records go under the state directory; what became of them is told.
    pub(super) fn new(state: PathBuf, tell: mpsc::Sender<Kept>) -> Self {
        Self {
            state,
            tell,
            stall: None,
            unwritten: None,
        }
    }

    fn is_worth_it(&mut self, late: Duration, now: Moment) -> bool {
        let known = |(at, worst): (Moment, Duration)| {
            now.since(at) < STALLS_APART && late < worst.saturating_mul(2)
        };
        let worth = !self.stall.is_some_and(known);
        if worth {
            self.stall = Some((now, late));
        }
        worth
    }
}

impl Supervisor {
    /// Keeps what the living core's flight recorder holds, for the client that asked.
    pub(super) fn keep_flight_for(&mut self, asked: Asked) {
        match &self.pulse {
            Some(pulse) => {
                let flight = pulse.remains().flight();
                let cause = Some(Cause::Order(asked.who.to_string()));
                self.keep_flight(flight, Reason::Order, cause, Some(asked));
            }
            None => asked.reply(Err(Failure {
                code: ErrorCode::Unavailable,
                text: "there is no core at the moment; the record of its death is kept".into(),
            })),
        }
    }

    /// Keeps what went into the core before and after it stalled.
    pub(super) fn keep_flight_of_stall(&mut self, late: Duration, stall: &EventId) {
        if let Some(pulse) = &self.pulse
            && self.flights.is_worth_it(late, clock::boot())
        {
            let flight = pulse.remains().flight();
            let cause = Some(Cause::Event(stall.clone()));
            self.keep_flight(flight, Reason::Stall, cause, None);
        }
    }

    /// Tries again to write what could not be written.
    pub(super) fn keep_flight_again(&mut self) {
        if let Some(record) = self.flights.unwritten.take() {
            self.flights.write(record, None);
        }
    }

    /// Lets a thread write a record.
    pub(super) fn keep_flight(
        &mut self,
        flight: Flight,
        reason: Reason,
        cause: Option<Cause>,
        asked: Option<Asked>,
    ) {
        match flight {
            Ok(image) => {
                let made = clock::now().wall;
                let record = Record {
                    image,
                    made,
                    reason,
                    cause,
                };
                self.flights.write(record, asked);
            }
            Err(error) => {
                let text = format!("what went into the core cannot be read: {error}");
                self.recorder.say(Severity::Error, &text);
                if let Some(asked) = asked {
                    asked.reply(Err(unavailable(text)));
                }
            }
        }
    }

    /// A record was kept, or could not be.
    pub(super) fn flight_kept(&mut self, kept: Kept) {
        let Kept {
            result,
            record,
            asked,
        } = kept;
        match (result, asked) {
            (Ok(path), asked) => {
                let file = path.display().to_string();
                let kind = Kind::FlightRecorded {
                    file: file.clone(),
                    reason: record.reason.text().into(),
                };
                self.recorder.note(kind, record.cause);
                if self.flights.unwritten.is_none() {
                    self.lacks_no_more(LACK);
                }
                if let Some(asked) = asked {
                    asked.reply(Ok(Success::Recorded { file }));
                }
            }
            (Err(error), Some(asked)) => {
                let why = self.flights.unwritable(&error);
                asked.reply(Err(unavailable(format!("{why}; {REMEDY}"))));
            }
            (Err(error), None) => {
                let why = self.flights.unwritable(&error);
                self.flights.unwritten = Some(record);
                self.lack(Lack {
                    what: LACK.into(),
                    why,
                    remedy: format!("{REMEDY}; hbd keeps it in memory and tries again every 5 s"),
                });
            }
        }
    }
}

impl Flights {
    fn write(&self, record: Record, asked: Option<Asked>) {
        let (state, tell) = (self.state.clone(), self.tell.clone());
        let told = thread::beside("flight", (record, asked), move |(record, asked)| {
            let result = flight::keep(&state, record.made, record.reason, &record.image);
            // Nobody is left to tell where the daemon ends.
            let _ = tell.blocking_send(Kept {
                result,
                record,
                asked,
            });
        });
        if let Err((error, (record, asked))) = told {
            let _ = self.tell.try_send(Kept {
                result: Err(error),
                record,
                asked,
            });
        }
    }

    fn unwritable(&self, error: &io::Error) -> String {
        format!("cannot write in {}: {error}", self.state.display())
    }
}

fn unavailable(text: String) -> Failure {
    Failure {
        code: ErrorCode::Unavailable,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_worth_a_record_now_and_then_and_a_much_longer_one_at_once() {
        let (tell, _kept) = mpsc::channel(1);
        let mut flights = Flights::new(PathBuf::new(), tell);
        let mut worth = |second: u64, late| {
            let now = Moment(second * 1_000_000_000);
            flights.is_worth_it(Duration::from_millis(late), now)
        };
        assert!(worth(10, 60));
        assert!(!worth(20, 60));
        assert!(!worth(30, 119));
        assert!(worth(40, 120));
        assert!(!worth(3_639, 60));
        assert!(worth(3_640, 60));
    }
}
