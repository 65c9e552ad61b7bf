//! Flight records: made after a death of the core, after a stall, and by order.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use shared::api::{ErrorCode, Failure, Success};
use shared::event::{Cause, EventId, Kind};
use shared::time::Moment;
use tokio::sync::mpsc;

use super::Supervisor;
use super::requests::Asked;
use crate::channel::Lack;
use crate::clock;
use crate::flight::{self, Reason};
use crate::thread;

/// A record that was to be kept.
#[derive(Debug)]
pub(super) struct Kept {
    result: io::Result<PathBuf>,
    reason: Reason,
    cause: Option<Cause>,
    asked: Option<Asked>,
}

/// What a flight recorder held.
pub(super) type Flight = io::Result<Vec<u8>>;

/// A machine that stalls all the time leaves one record in this time, so that those of deaths stay;
/// and one for a stall that is twice as long.
const STALLS_APART: Duration = Duration::from_secs(3600);

/// What is missing where a record cannot be written.
const LACK: &str = "a flight record";

/// Where records go.
pub(super) struct Flights {
    state: PathBuf,
    tell: mpsc::Sender<Kept>,
    /// When a stall was last worth a record, and how long it was.
    stall: Option<(Moment, Duration)>,
}

impl Flights {
    /// Records go under the state directory; what became of them is told.
    pub(super) fn new(state: PathBuf, tell: mpsc::Sender<Kept>) -> Self {
        Self {
            state,
            tell,
            stall: None,
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
    pub(super) fn keep_flight_for(&self, asked: Asked) {
        match &self.pulse {
            Some(pulse) => {
                let cause = Some(Cause::Order(asked.who.to_string()));
                self.keep_flight(pulse.remains().flight(), Reason::Order, cause, Some(asked));
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
            let cause = Some(Cause::Event(stall.clone()));
            self.keep_flight(pulse.remains().flight(), Reason::Stall, cause, None);
        }
    }

    /// Lets a thread write a record.
    pub(super) fn keep_flight(
        &self,
        flight: Flight,
        reason: Reason,
        cause: Option<Cause>,
        asked: Option<Asked>,
    ) {
        let kept = move |result| Kept {
            result,
            reason,
            cause,
            asked,
        };
        let (state, tell) = (self.flights.state.clone(), self.flights.tell.clone());
        let told = thread::beside("flight", (flight, kept), move |(flight, kept)| {
            let now = clock::now().wall;
            let result = flight.and_then(|image| flight::keep(&state, now, reason, &image));
            // Nobody is left to tell where the daemon ends.
            let _ = tell.blocking_send(kept(result));
        });
        if let Err((error, (_, kept))) = told {
            let _ = self.flights.tell.try_send(kept(Err(error)));
        }
    }

    /// A record was kept, or could not be.
    pub(super) fn flight_kept(&mut self, kept: Kept) {
        let outcome = match kept.result {
            Ok(path) => {
                let file = path.display().to_string();
                let kind = Kind::FlightRecorded {
                    file: file.clone(),
                    reason: kept.reason.text().into(),
                };
                self.recorder.note(kind, kept.cause);
                self.lacks_no_more(LACK);
                Ok(Success::Recorded { file })
            }
            Err(error) => {
                let why = format!("cannot write in {}: {error}", self.flights.state.display());
                self.lack(Lack {
                    what: LACK.into(),
                    why: why.clone(),
                    remedy: "make room, or let the user hbd runs as write there".into(),
                });
                Err(Failure {
                    code: ErrorCode::Unavailable,
                    text: format!("{why}; make room, or let the user hbd runs as write there"),
                })
            }
        };
        if let Some(asked) = kept.asked {
            asked.reply(outcome);
        }
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
